"""msgspec Structs as readable tables, for docs/protocol.md."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union

import msgspec


def describe(shape: type[msgspec.Struct]) -> str:
    """A Markdown section for one Struct: what it is, then a row for each field."""
    lines = [f"### {shape.__name__}", "", _first_paragraph(shape), ""]
    fields = msgspec.structs.fields(shape)
    if fields:
        lines += ["| field | type | |", "|---|---|---|"]
        hints = typing.get_type_hints(shape, include_extras=True)
        lines += [f"| `{f.encode_name}` | {type_name(hints[f.name])} | {'' if f.required else 'optional'} |" for f in fields]
        lines.append("")
    return "\n".join(lines)


def reachable(shapes: Iterable[Any]) -> list[type[msgspec.Struct]]:
    """Every Struct that the given shapes are made of, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting = list(shapes)
    while waiting:
        shape = waiting.pop()
        if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
            if shape.__name__ in found and found[shape.__name__] is shape:
                continue
            if shape.__name__ in found:
                raise ValueError(f"two shapes are called {shape.__name__}")
            found[shape.__name__] = shape
            waiting += typing.get_type_hints(shape, include_extras=True).values()
        else:
            waiting += typing.get_args(shape)
    return [found[name] for name in sorted(found)]


def type_name(hint: Any) -> str:
    """A field's type in the words of JSON; Structs link to their section."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return type_name(arguments[0]) + "".join(_bounds(extra) for extra in arguments[1:])
    if origin is Literal:
        return " / ".join(f'"{value}"' for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(type_name(argument) for argument in arguments)
    if origin in (list, tuple, dict):
        return f"{'object' if origin is dict else 'list'} of {type_name(arguments[1 if origin is dict else 0])}"
    return _plain(hint)


def _plain(hint: Any) -> str:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return " / ".join(f'"{member.value}"' for member in hint)
    names = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", Any: "anything"}
    return names.get(hint) or str(getattr(hint, "__name__", hint)).lower()


def _bounds(extra: Any) -> str:
    if not isinstance(extra, msgspec.Meta):
        return ""
    parts = []
    for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        value = getattr(extra, name)
        if value is not None:
            parts.append(f"{words} {value}")
    if extra.min_length is not None or extra.max_length is not None:
        parts.append(f"{extra.min_length or 0} to {extra.max_length} long" if extra.max_length else f"{extra.min_length}+ long")
    return f" ({', '.join(parts)})" if parts else ""


def _first_paragraph(shape: type) -> str:
    return " ".join((shape.__doc__ or "").split("\n\n")[0].split())
