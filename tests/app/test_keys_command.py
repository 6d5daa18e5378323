"""`tellercast keys`, as an operator meets it: what is told of each key, what is refused, and that old seals stay verifiable."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import main
from app.keys import signing_keys
from app.settings import PREFIX, load
from core.clock import ManualClock
from core.database import Database
from recording import sessions
from recording.closing import Closer
from recording.keys import SigningKeys
from recording.register import read
from recording.trail import Trail
from tests.compliance.sealed import build, export, make_session


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in list(os.environ):
        if variable.startswith(PREFIX):
            monkeypatch.delenv(variable)
    folder = tmp_path / "var"
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(folder))
    monkeypatch.setenv(f"{PREFIX}ORIGIN", "tellercast")
    return folder


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def keys(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `tellercast keys` with one action; answers the exit code and what was printed."""

    def run(action: str) -> tuple[int, str, str]:
        code = main(["keys", action])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_only_the_first_key_is_created(keys: Run, house: Path) -> None:
    code, out, err = keys("list")
    assert (code, out) == (1, "")
    assert "`tellercast keys create` makes one" in err
    assert not house.exists()
    assert keys("create")[0] == 0
    before = sorted(file.read_bytes() for file in (house / "keys").iterdir())
    code, out, err = keys("create")
    assert (code, out) == (1, "")
    assert "is there already" in err
    assert "`tellercast keys rotate`" in err
    assert sorted(file.read_bytes() for file in (house / "keys").iterdir()) == before


def test_each_key_is_listed_with_its_time_and_its_seals(keys: Run, house: Path) -> None:
    keys("create")
    assert "there is no database yet" in keys("list")[1]
    assert main(["migrate"]) == 0
    asyncio.run(_seal(house, 2))
    keys("rotate")
    times = [1_700_000_000, 1_760_000_000]  # 2023-11-14 22:13 and 2025-10-09 08:53 UTC
    held = SigningKeys(house / "keys").held()
    for at, one in zip(times, reversed(held), strict=True):
        os.utime(house / "keys" / f"{one.verifier.id.hex()}.pub", (at, at))
    code, out, _err = keys("list")
    assert code == 0
    first, current, second, old = out.splitlines()[-4:]
    assert first == "# signs since 2025-10-09 08:53 UTC; no seal yet"
    assert second.startswith("# from 2023-11-14 22:13 UTC to 2025-10-09 08:53 UTC; 2 seals, the last 20")
    assert [current, old] == [str(one.verifier) for one in held]


async def _seal(house: Path, count: int) -> Path:
    """Sessions sealed into the house's own database, with its own keys; answers the last one's bundle."""
    database = Database(f"sqlite+aiosqlite:///{house / 'tellercast.db'}")
    try:
        clock = ManualClock()
        names = [await make_session(database, clock, house, title=f"show {number}") for number in range(count)]
        return await export(build(database, clock, house), names[-1])
    finally:
        await database.close()


def test_old_seals_verify_after_two_rotations_with_what_the_list_says(
    keys: Run, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys("create")
    assert main(["migrate"]) == 0
    before = asyncio.run(_seal(house, 1))
    keys("rotate")
    _code, both, _err = keys("rotate")
    after = asyncio.run(_seal(house, 1))
    key = tmp_path / "bank.pub"
    key.write_text(both)  # remarks and all
    for bundle in (before, after):
        assert main(["verify", str(bundle), "--key", str(key)]) == 0
        assert capsys.readouterr().out.startswith("VERIFIED\n")
    newest = next(line for line in both.splitlines() if not line.startswith("#"))
    key.write_text(newest)
    assert main(["verify", str(before), "--key", str(key)]) == 1
    assert main(["verify", str(after), "--key", str(key)]) == 0


async def test_a_rotation_holds_for_the_next_seal_of_a_running_server(
    house: Path, database: Database, clock: ManualClock
) -> None:
    """The closer is made once and goes on; the key changes under it."""
    trail = Trail(clock)

    async def nothing(*_told: object) -> None:
        return

    closer = Closer(database, trail, clock, signing_keys(load()), on_finding=nothing, on_change=nothing, silence_s=0)
    labels = []
    for _ in range(2):
        await over(database, clock, trail)
        await closer.sweep()
        labels.append(signing_keys(load()).public()[0].label)
        assert await asyncio.to_thread(main, ["keys", "rotate"]) == 0
    async with database.read() as tx:
        assert [seal.key_id for seal in await read(tx)] == labels
    assert len(set(labels)) == 2


async def over(database: Database, clock: ManualClock, trail: Trail) -> None:
    async with database.write() as tx:
        session = await sessions.create(tx, clock, kind="show", title="t", host_id="adviser-1", required=["host"])
        await sessions.move(tx, clock, trail, session.id, "start", "adviser-1")
        await sessions.move(tx, clock, trail, session.id, "end", "adviser-1")
    clock.advance(60)


def _current(house: Path, suffix: str) -> Path:
    return house / "keys" / f"{(house / 'keys' / 'current').read_text()}.{suffix}"


def lose(house: Path) -> Path:
    _current(house, "pem").unlink()
    return _current(house, "pem")


def damage_private(house: Path) -> Path:
    _current(house, "pem").write_text("-----BEGIN PRIVATE KEY-----\nnone\n")
    return _current(house, "pem")


def damage_public(house: Path) -> Path:
    _current(house, "pub").write_text("hello\n")
    return _current(house, "pub")


def swap(house: Path) -> Path:
    other = SigningKeys(house / "other")
    other.signer()
    [pem] = (house / "other").glob("*.pem")
    _current(house, "pem").write_bytes(pem.read_bytes())
    return _current(house, "pem")


def lay_open(house: Path) -> Path:
    _current(house, "pem").chmod(0o644)
    return _current(house, "pem")


def misname(house: Path) -> Path:
    (house / "keys" / "current").write_text("../../etc/passwd")
    return house / "keys" / "current"


@pytest.mark.parametrize(
    ("harm", "step"),
    [
        (lose, "`tellercast keys rotate`"),
        (damage_private, "`tellercast keys rotate`"),
        (swap, "`tellercast keys rotate`"),
        (damage_public, "restore it from a backup"),
        (lay_open, "chmod 600"),
        (misname, "restore it from a backup"),
    ],
)
def test_a_key_that_can_not_be_used_is_named_with_the_next_step(
    harm: Callable[[Path], Path], step: str, keys: Run, house: Path
) -> None:
    keys("create")
    file = harm(house)
    code, _out, err = keys("list")
    assert code == 1
    assert err.startswith(f"tellercast keys: {file}")
    assert step in err
    assert err.count("\n") == 1
    if "rotate" in step:
        assert keys("rotate")[0] == 0
        assert keys("list")[0] == 0


def test_a_key_its_group_may_read_is_warned_of(keys: Run, house: Path) -> None:
    keys("create")
    _current(house, "pem").chmod(0o640)
    code, _out, err = keys("list")
    assert code == 0
    assert "may be read by its group" in err
    assert _current(house, "pem").name in err
