"""Who somebody is, as a value. Signing in and cookies live in `app/`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The five kinds of people; what each may do stands in `app/permissions.py` and nowhere else."""

    CUSTOMER = "customer"
    ADVISER = "adviser"
    SUPERVISOR = "supervisor"
    REVIEWER = "reviewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Person:
    """An identified person: `id` is stable and goes on the record, `name` is what others see."""

    id: str
    role: Role
    name: str

    @property
    def masked(self) -> str:
        """The name as strangers may see it: the first character, then stars."""
        return self.name[:1] + "**" if self.name else "**"
