"""Rows that somebody holds and does not give back: only the orders that need those are told to come again, the others go.

A group waits `customers.PATIENCE_MS` for a row, said in the statement that takes its first locks. Beyond that it is undone, and
one look at all rows of all its orders, which waits for none, tells who is to blame: those that are held at its beginning and at
its end by the same transaction, whoever else refers to them meanwhile. A row that is merely busy changes hands. Stuck rows are
remembered, so that the groups after do not wait for them anew; the first that has to do with one asks for it again, without
waiting.

Only PostgreSQL: SQLite has one writer, and who waits for that waits for everything.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, TextClause, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce.customers import PATIENCE_MS
from commerce.order_request import Request
from commerce.tables import customers, products
from core.database import LOCK_TIMEOUT, Database, among, waiting_at_most
from recording.tables import trail_heads
from recording.trail import after_trail

# Between the two looks; several groups of another process go by meanwhile.
_APART_S: Final = 0.25
# Rows that are remembered; beyond it the oldest are forgotten, and waited for anew.
_REMEMBERED: Final = 1_000


# Who keeps others from a row. Its `xmax` is the one who locked or changed it, or, when several hold it, a list of them (a
# MultiXact) that is another one each time somebody joins; only `pg_locks` tells which it is and who is under way still. Who
# reads a list that never was or is no more gets an error. `keysh` are those who only refer to the row.
_OWNERS: Final = """
SELECT held.{column} AS key, CAST(owner.xid AS text) AS owner
FROM {table} AS held CROSS JOIN LATERAL (
    SELECT held.xmax AS xid
    UNION ALL
    SELECT member.xid FROM pg_get_multixact_members(
        CASE WHEN mxid_age(held.xmax) BETWEEN 1 AND (SELECT max(mxid_age(datminmxid)) FROM pg_database) THEN held.xmax END
    ) AS member
    WHERE NOT ({weak} AND member.mode = 'keysh')
    AND held.xmax NOT IN (SELECT transactionid FROM pg_locks WHERE locktype = 'transactionid' AND granted)
) AS owner
WHERE held.{column} = ANY (:keys)
AND owner.xid IN (SELECT transactionid FROM pg_locks WHERE locktype = 'transactionid' AND granted)
"""


class RowsHeldError(Exception):
    """Somebody held a row for longer than a group waits. Nothing was done."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that orders hold, by its table and its key."""

    table: str
    key: str


def held_up(error: BaseException) -> bool:
    """Whether a statement was given up because it waited too long for a row."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == LOCK_TIMEOUT


class StuckRows:
    """The rows of which we know that somebody sits on them, each with the transactions that do."""

    def __init__(self, db: Database, between: Callable[[], Awaitable[None]] | None = None) -> None:
        """`between` is what goes by between the two looks."""
        self._db = db
        self._between = between or _a_while
        self._stuck: dict[_Row, frozenset[str]] = {}

    async def resting_on(self, requests: Sequence[Request]) -> set[str]:
        """The ids of those orders that need a row which is stuck still; rows that are not any more are forgotten.

        Costs nothing while no row is known that one of them needs. Raises RowsHeldError.
        """
        known = {row for request in requests for row in _rows(request) if row in self._stuck}
        if not known:
            return set()
        held = await self._look(requests, known)
        for row in known:
            if not (still := self._stuck[row] & held.get(row, _NOBODY)):
                del self._stuck[row]
            else:
                self._stuck[row] = still
        return {request.order_id for request in requests if not self._stuck.keys().isdisjoint(_rows(request))}

    async def find(self, requests: Sequence[Request]) -> set[str]:
        """After a group was held up: see which rows are stuck, all at once and waiting for none. Raises RowsHeldError.

        When nobody holds any, it may be one that nobody sees: a trail's head that another transaction has made and keeps to
        itself. The ids of those orders that would make one.
        """
        rows = {row for request in requests for row in _rows(request)}
        first = await self._look(requests, rows)
        if not first:
            return await self._headless(requests)
        await self._between()
        for row, owners in (await self._look(requests, first.keys())).items():
            if still := first[row] & owners:
                self._stuck.pop(row, None)  # so that it is the youngest again
                self._stuck[row] = still
        for row in list(self._stuck)[:-_REMEMBERED]:
            del self._stuck[row]
        return set()

    async def _headless(self, requests: Sequence[Request]) -> set[str]:
        async with self._db.read() as tx:
            heads = set((await tx.execute(_HEADS, {"trails": {request.wish.session for request in requests}})).scalars())
        return {request.order_id for request in requests if request.wish.session not in heads}

    async def _look(self, requests: Sequence[Request], rows: Iterable[_Row]) -> dict[_Row, frozenset[str]]:
        """Which of these somebody holds, and who."""
        kinds: dict[str, tuple[Column[Any], bool]] = {one.table.name: (one, weak) for one, weak in _KINDS}
        kinds |= {one.held.table.name: (one.held, False) for r in requests if (one := r.basis) is not None}
        keys: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            keys[row.table].add(row.key)
        held: dict[_Row, frozenset[str]] = {}
        try:
            async with self._db.write() as tx:
                for table in sorted(keys):
                    column, weak = kinds[table]
                    held |= {_Row(table, key): who for key, who in (await _held(tx, column, weak, keys[table])).items()}
        except DBAPIError as error:
            if held_up(error):  # a whole table is locked: somebody changes it
                raise RowsHeldError from error
            raise
        return held


_HEADS: Final = select(trail_heads.c.session_id).where(among(trail_heads.c.session_id, "trails"))
_NOBODY: Final[frozenset[str]] = frozenset()


async def _a_while() -> None:
    await asyncio.sleep(_APART_S)


_KINDS: Final[tuple[tuple[Column[Any], bool], ...]] = (
    (customers.c.person_id, True),
    (trail_heads.c.session_id, False),
    (products.c.id, True),
)


def _rows(request: Request) -> list[_Row]:
    """What an order holds; the trail after the seal only has a row once the session is sealed."""
    session = request.wish.session
    rows = [
        _Row(customers.name, request.customer_id),
        _Row(trail_heads.name, session),
        _Row(trail_heads.name, after_trail(session)),
        _Row(products.name, request.wish.product),
    ]
    if request.basis is not None:
        rows.append(_Row(request.basis.held.table.name, request.basis.key))
    return rows


async def _held(tx: AsyncConnection, column: Column[Any], weak: bool, keys: set[str]) -> dict[str, frozenset[str]]:
    """Those of these rows that can't be locked now as orders lock them (`weak`: beside who only refers to the row), and by
    which transactions each is held."""
    mine = among(column, "keys")
    lock = select(column).where(mine, waiting_at_most(PATIENCE_MS)).with_for_update(key_share=weak, skip_locked=True)
    free = set((await tx.execute(lock, {"keys": keys})).scalars())
    rest = {"keys": keys - free}
    if not rest["keys"]:
        return {}
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for row in await tx.execute(_owners(column, weak), {"keys": sorted(rest["keys"])}):
        owners[row.key].add(row.owner)
    return {key: frozenset(who) for key, who in owners.items()}


def _owners(column: Column[Any], weak: bool) -> TextClause:
    return text(_OWNERS.format(column=column.name, table=column.table.name, weak=str(weak).upper()))
