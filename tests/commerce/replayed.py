"""Shows that are over, sealed, and to be seen again: in a bank, by its own doors and the recording's own closing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from core.identity import Person
from recording import kinds
from recording.closing import Closer
from recording.keys import SigningKeys
from recording.register import Seal
from recording.tables import derived
from recording.trail import Draft
from tests.commerce.bank import BOND, Ask, Bank
from tests.compliance.sealed import FRAGMENT_MS, write_fragment

# With `past` the product is on the shelf all the time; LATER, where given, from here on; nothing was recorded in the gap.
GAP = (4_000, 6_000)
LATE_MS, END_MS = 7_000, 10_000
SHOWN_MS, HOLE_MS = 3_000, 5_000
KEYS = "keys"


async def past(bank: Bank, product: str = BOND, *, later: str | None = None, sealed: bool = True) -> str:
    """A show of ten seconds with this on its shelf, two of them not recorded, and `later` on it too from the seventh on."""
    session = await bank.show(product)
    host, show = bank.hosts[session]
    place = 0
    for index, start in enumerate(range(0, END_MS, FRAGMENT_MS)):
        bank.clock.advance(FRAGMENT_MS / 1000)
        if start == GAP[0]:
            data = {"stream": "host", "from_ms": GAP[0], "to_ms": GAP[1], "reason": "publisher_lost"}
            async with bank.db.write() as tx:
                await bank.trail.append(tx, session, Draft(kinds.GAP, "recording", data, media_ms=start))
            continue
        await write_fragment(bank.db, bank.trail, bank.folder, session, place, start)
        place += 1
        if start == GAP[1] and later is not None:
            bank.clock.advance(-1)
            await bank.get(Ask(host, "PUT", f"/api/shows/{show}/shelf", {"products": [product, later]}))
            bank.clock.advance(1)
        assert index < END_MS
    async with bank.db.write() as tx:  # one track of the last second is missing
        track = {"stream": "host", "track": "video", "from_ms": END_MS - 1000, "to_ms": END_MS, "reason": "no_media"}
        await bank.trail.append(tx, session, Draft(kinds.GAP, "recording", track, media_ms=END_MS - 1000))
    await bank.get(Ask(host, "POST", f"/api/shows/{show}/end"))
    if sealed:
        await seal(bank, session)
    return session


async def seal(bank: Bank, session: str) -> Seal:
    """Closed as the sweep closes it, and its film made."""
    keys = SigningKeys(bank.folder / KEYS)
    closer = Closer(bank.db, bank.trail, bank.clock, keys, on_finding=_nobody_finds, on_change=_nobody_hears)
    made = await closer.close(session)
    assert made is not None
    values = {"state": "ready", "path": f"{session}/host.mp4", "offset_ms": 0, "duration_ms": END_MS}
    async with bank.db.write() as tx:
        await tx.execute(update(derived).where(derived.c.session_id == session).values(**values))
    return made


def again(bank: Bank, who: Person, session: str, media_ms: Any = SHOWN_MS, product: str = BOND, **changes: Any) -> Ask:
    """An order at that moment of the film."""
    return bank.order(who, session, product, replay={"media_ms": media_ms}, **changes)


def confirming(
    who: Person, session: str, media_ms: Any = SHOWN_MS, product: str = BOND, version: int = 1, revision: int | None = None
) -> Ask:
    """The disclosure's confirmation at that moment of the film, beside this revision of the product."""
    body = {"product": product, "version": version, "replay": {"media_ms": media_ms}, "revision": revision}
    return Ask(who, "POST", f"/api/sessions/{session}/disclosures", body)


async def _nobody_finds(*_found: Any) -> None:
    """Nobody opens cases here."""


async def _nobody_hears(*_change: Any) -> None:
    """Nobody has to hear of the seal here."""
