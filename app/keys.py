"""`tellercast keys`: what signs the seals."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from asyncpg import PostgresError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.settings import Settings
from core.database import Database
from recording.keys import HeldKey, SigningKeys, UnusableKey
from recording.tables import seals

_ASKED_WITHIN_S = 10


@dataclass(frozen=True, slots=True)
class Signed:
    """How many seals a key has signed, and when it signed the last one."""

    seals: int
    last: datetime


def signing_keys(settings: Settings) -> SigningKeys:
    """The installation's keys."""
    return SigningKeys(settings.data_dir / "keys", settings.origin)


def keys_command(settings: Settings, action: str) -> int:
    """`list` prints every public key, the signing one first; `create` makes the first; `rotate` makes a new one sign.

    What it prints is a key file for `tellercast verify --key`; what is told of each stands in a line with # above it.
    """
    keys = signing_keys(settings)
    try:
        if action == "create" and (held := keys.held()):
            return _failed(f"{held[0].verifier.label} is there already; `tellercast keys rotate` makes a new key sign")
        if action == "create":
            keys.signer()
        elif action == "rotate":
            keys.rotate()
        held = keys.held()
        if not held:
            return _failed("there is no key yet: `tellercast keys create` makes one, and so does the first seal")
        _print(held, _signed(settings))
        if not held[0].signs:
            return _failed("none of these signs, as the file `current` is gone: `tellercast keys rotate` makes a new key sign")
        keys.signer()  # says what is the matter with it, after what there is
    except UnusableKey as error:
        return _failed(str(error))
    return 0


def _failed(why: str) -> int:
    print(f"tellercast keys: {why}", file=sys.stderr)
    return 1


def _print(held: list[HeldKey], signed: Mapping[str, Signed] | str) -> None:
    until: datetime | None = None
    for one in held:
        span = f"signs since {_minute(one.since)}" if one.signs else f"from {_minute(one.since)}"
        if until is not None and not one.signs:
            span += f" to {_minute(until)}"
        print(f"# {span}; {_told(signed, one.verifier.label)}")
        print(one.verifier)
        until = one.since


def _told(signed: Mapping[str, Signed] | str, label: str) -> str:
    if isinstance(signed, str):
        return signed
    found = signed.get(label)
    if found is None:
        return "no seal yet"
    return f"{found.seals} seal{'s' if found.seals > 1 else ''}, the last {_minute(found.last)}"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _signed(settings: Settings) -> Mapping[str, Signed] | str:
    """By the key's label; or why the database can't tell. No file is made where there is none."""
    database = Database(settings.resolved_database_url)
    if database.is_sqlite and not Path(database.url.database or "").exists():
        return "there is no database yet"
    return asyncio.run(_ask(database))


async def _ask(database: Database) -> Mapping[str, Signed] | str:
    query = select(seals.c.key_id, func.count().label("seals"), func.max(seals.c.at).label("last")).group_by(seals.c.key_id)
    try:
        async with asyncio.timeout(_ASKED_WITHIN_S), database.read() as tx:
            return {row.key_id: Signed(row.seals, row.last) for row in await tx.execute(query)}
    except (OSError, PostgresError, SQLAlchemyError) as error:
        return f"its seals are not known, the database can't be asked ({type(error).__name__})"
    finally:
        await database.close()
