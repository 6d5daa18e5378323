"""Money is an integer of the currency's minor unit. Floats never touch it."""

from __future__ import annotations

from dataclasses import dataclass

# ISO 4217 exponents of the currencies a product may be sold in.
EXPONENTS = {"CNY": 2, "EUR": 2, "GBP": 2, "HKD": 2, "JPY": 0, "USD": 2}


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """`minor` units of `currency` (fen, cents); arithmetic across currencies raises ValueError."""

    minor: int
    currency: str = "CNY"

    def __post_init__(self) -> None:
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")
        return Money(self.minor + other.minor, self.currency)

    def __str__(self) -> str:
        exponent = EXPONENTS[self.currency]
        sign = "-" if self.minor < 0 else ""
        whole, rest = divmod(abs(self.minor), 10**exponent)
        return f"{self.currency} {sign}{whole:,}" + (f".{rest:0{exponent}d}" if exponent else "")
