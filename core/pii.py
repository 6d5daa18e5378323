"""A value that does not print itself, so that logs and tracebacks can't leak it."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Pii(Generic[T]):
    """Holds personal data; `reveal()` is the only way to it, and easy to search for."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pii) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Pii(…)"

    __str__ = __repr__
