"""The command line, as an operator meets it: what it prints, what it leaves behind, and its exit codes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Table, func, select

from app.cli import main
from app.settings import PREFIX
from commerce.tables import customers, products
from core.clock import ManualClock
from core.database import Database, metadata
from recording.keys import SigningKeys
from recording.note import read_key
from rooms.tables import shows
from tests.compliance.sealed import build, export, make_session, pack, unpack

COMMANDS = ("serve", "web", "media", "migrate", "demo", "verify", "recover", "keys", "outbox", "lexicon", "settings")


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of the test's own, and nothing of ours in the environment beside it."""
    for variable in list(os.environ):
        if variable.startswith(PREFIX):
            monkeypatch.delenv(variable)
    folder = tmp_path / "var"
    monkeypatch.setenv("TELLERCAST_DATA_DIR", str(folder))
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: tellercast {command}")
    assert len(said.splitlines()) > 3


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert [command for command in COMMANDS if f"\n    {command} " not in said] == []


@pytest.mark.parametrize("argv", [[], ["sell"], ["keys"], ["keys", "burn"], ["verify"], ["serve", "--fast"]], ids=str)
def test_what_is_no_command_is_said_and_is_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage: tellercast" in capsys.readouterr().err


def test_settings_come_with_their_sources_and_without_their_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tellercast.toml"
    config.write_text('http_port = 9000\nmedia_secret = "correct horse"\n')
    monkeypatch.setenv("TELLERCAST_CONFIG", str(config))
    monkeypatch.setenv("TELLERCAST_CORE_SECRET", "hunter2")
    monkeypatch.setenv("TELLERCAST_DATABASE_URL", "postgresql://teller:hunter2@db/tellercast")
    assert main(["settings"]) == 0
    said = capsys.readouterr().out
    assert "hunter2" not in said
    assert "correct horse" not in said
    assert "TELLERCAST_CORE_SECRET = ********" in said
    assert f"TELLERCAST_HTTP_PORT = 9000\n    Port of pages, API and Socket.IO [{config}]" in said
    assert "[TELLERCAST_DATA_DIR]" in said
    assert "TELLERCAST_HTTP_HOST = 127.0.0.1" in said
    assert "[default]" in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [("TELLERCAST_HTTP_PROT", "1"), ("TELLERCAST_HTTP_PORT", "eighty"), ("TELLERCAST_CONFIG", "/nowhere/tellercast.toml")],
)
@pytest.mark.parametrize("command", ["settings", "migrate", "serve"])
def test_a_wrong_setting_ends_every_command_with_two(
    variable: str, value: str, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], house: Path
) -> None:
    monkeypatch.setenv(variable, value)
    assert main([command]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tellercast: ")
    assert error.count("\n") == 1
    assert variable in error
    assert not house.exists()


def test_keys_are_made_listed_and_rotated(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def keys(action: str) -> list[str]:
        assert main(["keys", action]) == 0
        return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]

    [first] = keys("create")
    assert read_key(first).name == "tellercast.local"
    assert keys("list") == [first]
    [second, old] = keys("rotate")
    assert old == first
    assert second != first
    assert keys("list") == [second, first]  # the one that signs first; the old one for as long as its seals
    private = sorted(file.name for file in (house / "keys").glob("*.pem"))
    assert private == [f"{read_key(second).id.hex()}.pem"]
    assert (house / "keys" / private[0]).stat().st_mode & 0o777 == 0o600


async def _count(url: str, *tables: Table) -> list[int]:
    db = Database(url)
    try:
        async with db.read() as tx:
            return [int((await tx.execute(select(func.count()).select_from(table))).scalar_one()) for table in tables]
    finally:
        await db.close()


def test_migrate_and_demo_may_be_run_again(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url, tables = f"sqlite+aiosqlite:///{house / 'tellercast.db'}", (products, customers, shows)
    for _ in range(2):
        assert main(["migrate"]) == 0
        assert "up to date" in capsys.readouterr().out
    assert asyncio.run(_count(url, *tables)) == [0, 0, 0]
    assert main(["demo"]) == 0
    seeded = asyncio.run(_count(url, *tables))
    assert all(seeded), seeded
    assert main(["demo"]) == 0
    assert asyncio.run(_count(url, *tables)) == seeded
    assert "in place" in capsys.readouterr().out


def test_a_dry_run_of_recover_names_what_was_left_and_touches_nothing(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", "--dry-run"]) == 0
    assert capsys.readouterr().out == ""
    incoming = house / "archive" / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    mark = incoming / "ses_1~host~1700000000000-000003.mp4.pending"
    mark.touch()
    before = sorted((path, path.stat().st_mtime_ns) for path in house.rglob("*"))
    assert main(["recover", "--dry-run"]) == 0
    assert capsys.readouterr().out == "ses_1/host/1700000000000-000003.mp4\n"
    assert sorted((path, path.stat().st_mtime_ns) for path in house.rglob("*")) == before


def test_recover_of_an_empty_archive_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover"]) == 0
    assert capsys.readouterr().out.startswith("0 fragments")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An evidence bundle and the key it verifies with."""
    folder = tmp_path_factory.mktemp("bundle")

    async def make() -> Path:
        database = Database(f"sqlite+aiosqlite:///{folder / 'tellercast.db'}")
        async with database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        clock = ManualClock()
        path = await export(build(database, clock, folder), await make_session(database, clock, folder))
        await database.close()
        return path

    made = asyncio.run(make())
    [key] = SigningKeys(folder / "keys").public()
    return made, str(key)


def test_verify_needs_nothing_but_the_file_and_the_key(bundle: tuple[Path, str], tmp_path: Path, house: Path) -> None:
    """A process of its own, in a folder of its own: no database, no settings, no data directory."""
    (tmp_path / "bank.pub").write_text(bundle[1] + "\n")
    run = [sys.executable, "-m", "app.cli", "verify", str(bundle[0]), "--key", "bank.pub"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environ, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("VERIFIED\n")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bank.pub"]


def test_verify_says_what_it_found(bundle: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members = unpack(bundle[0])
    name = next(name for name in members if name.endswith(".mp4"))
    changed = pack(tmp_path / "changed.zip", {**members, name: members[name] + b"x"})
    key = tmp_path / "bank.pub"
    key.write_text(bundle[1])
    assert main(["verify", str(changed), "--key", str(key)]) == 1
    assert Path(name).name in capsys.readouterr().out


def test_verify_without_a_key_does_not_say_verified_and_is_three(
    bundle: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(bundle[0])]) == 3
    head = capsys.readouterr().out.splitlines()[0]
    assert "VERIFIED" not in head
    assert "NOBODY VOUCHES" in head
    assert "--key" in head


def test_verify_takes_several_keys(bundle: tuple[Path, str], tmp_path: Path) -> None:
    other = SigningKeys(tmp_path / "other").signer().verifier
    key = tmp_path / "bank.pub"
    key.write_text(f"{other}\n\n{bundle[1]}\n")
    assert main(["verify", str(bundle[0]), "--key", str(key)]) == 0
    key.write_text(f"{other}\n")
    assert main(["verify", str(bundle[0]), "--key", str(key)]) == 1


def test_the_help_of_verify_names_its_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for code in ("0 verified", "1 something is wrong", "2 the file", "3 nothing is wrong"):
        assert code in said


@pytest.mark.parametrize("content", [None, b"", b"hello\n", b"\xff\xfe", b"-----BEGIN PUBLIC KEY-----\n"], ids=str)
def test_verify_with_a_key_that_is_none_is_two(
    bundle: tuple[Path, str], tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "bank.pub"
    if content is not None:
        key.write_bytes(content)
    assert main(["verify", str(bundle[0]), "--key", str(key)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tellercast verify: ")
    assert said.err.count("\n") == 1
    assert "bank.pub" in said.err


def test_verify_of_a_file_that_is_not_there_is_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "nothing.zip")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "nothing.zip" in said.err


def test_an_unfit_key_of_the_banks_keeps_the_web_process_from_starting(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TELLERCAST_IDENTITY_KEY_FILE", str(tmp_path / "bank.pem"))
    monkeypatch.setenv("TELLERCAST_IDENTITY_ISSUER", "https://sign-in.bank.example")
    for command in ("web", "serve"):
        assert main([command]) == 2
        assert "bank.pem can't be read" in capsys.readouterr().err
    assert not house.exists()


@pytest.mark.parametrize("edge", ["0", "-1", "2"])
def test_an_edge_that_there_is_none_of_is_refused(
    edge: str, house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELLERCAST_MEDIA_PROCESSES", "2")
    assert main(["media", "--edge", edge]) == 2
    assert f"--edge {edge}: TELLERCAST_MEDIA_PROCESSES is 2" in capsys.readouterr().err
    assert not house.exists()
