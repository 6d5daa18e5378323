"""The `tellercast` command."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from app.process import CANNOT_START, CannotStart
from app.settings import Settings, SettingsError, describe, load
from app.telemetry import configure_logging

Command = Callable[[argparse.Namespace, Settings], int]

_NOBODY_VOUCHES: Final = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; answers its exit code: 0 done, 1 it failed or found something, 2 it was called wrongly.

    3 is `verify`'s alone: no fault, but without --key nobody vouches for who signed. 78: it can't run as things are set up.
    """
    arguments = _parser().parse_args(argv)
    try:
        settings = load(None, **_given(arguments))
        configure_logging(as_json=settings.log_json)
        command: Command = arguments.command
        return command(arguments, settings)
    except SettingsError as error:
        print(f"tellercast: {error}", file=sys.stderr)
        return 2
    except CannotStart as error:
        print(f"tellercast: {error}", file=sys.stderr)
        return CANNOT_START
    except KeyboardInterrupt:
        return 130


def _given(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that have an option of their own."""
    given: dict[str, object] = {"demo": True} if getattr(arguments, "demo", False) else {}
    if getattr(arguments, "webs", None) is not None:
        given["webs"] = arguments.webs
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tellercast",
        description="Livestream and video-advisory commerce for banks: every order bound to the recording of its moment.",
        epilog="Settings come from TELLERCAST_* or the TOML file TELLERCAST_CONFIG names; `tellercast settings` lists them.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, help_: str, description: str = "") -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_, description=description or help_)
        sub.set_defaults(command=command)
        return sub

    serve = add("serve", _serve, "Start the web and the media processes, and keep them running")
    serve.add_argument("--demo", action="store_true", help="seed shows, products and people; anybody may sign in as any")
    serve.add_argument("--webs", type=int, metavar="N", help="web processes that share the port (TELLERCAST_WEBS); see README")
    for name, command, help_ in (
        ("web", _web, "Start one web process: pages, API, Socket.IO, database"),
        ("media", _media, "Start one media process: WebRTC, forwarding, recording"),
    ):
        alone = add(name, command, help_)
        alone.add_argument("--with-parent", action="store_true", help="end when standard input ends")
        if name == "web":
            alone.add_argument("--listening", type=int, metavar="FILE", help="number of the listening socket handed down")
    alone.add_argument(
        "--edge",
        type=int,
        metavar="K",
        help="be the Kth (from 1) beside the one that records: subscribers alone, where TELLERCAST_MEDIA_PROCESSES is above 1",
    )
    add(
        "migrate", _migrate, "Bring the database to this version's tables; safe to run again",
        "Brings the database to this version's tables; safe to run again, and to be run after every upgrade. On PostgreSQL "
        "with TELLERCAST_MIGRATION_DATABASE_URL it does so as the tables' owner and grants the role of TELLERCAST_DATABASE_URL "
        "what it needs, which is not to change or delete what stands on the record.",
    )  # fmt: skip
    add("demo", _demo, "Seed the demo's shows, products and people; safe to run again")
    verify = add(
        "verify", _verify, "Check an evidence bundle offline",
        "Checks signature, chain, media hashes, gaps, order coverage and register of an evidence bundle. Needs no database, no "
        "network and no trust in who made it: give the public key you had from elsewhere. Exit codes: 0 verified with that "
        "key; 1 something is wrong, each fault is named; 2 the file or the key can't be read; 3 nothing is wrong, but without "
        "--key nobody vouches for who signed, and a forged bundle looks the same.",
    )  # fmt: skip
    verify.add_argument("bundle", type=Path, help="the .zip")
    verify.add_argument(
        "--key",
        type=Path,
        help="file with the signer's public key (`tellercast keys list` shows it), one a line where keys have changed; without "
        "it the bundle's own keys are used, which prove nothing about who signed",
    )
    recover = add("recover", _recover, "Hash and announce fragments that a killed media process left unannounced")
    recover.add_argument("--dry-run", action="store_true", help="only say what would be done")
    keys = add("keys", _keys, "Signing keys of the seals")
    keys.add_argument("action", choices=("list", "create", "rotate"), help="old keys stay, so that old seals stay verifiable")
    outbox = add("outbox", _outbox, "What waits for the bank's core and for partners, and what was given up")
    outbox.add_argument("action", choices=("list", "retry"), help="retry sends again what was given up")
    outbox.add_argument("--receiver", metavar="ID", help="of one receiver alone: core, or a partner's id")
    lexicon = add(
        "lexicon", _lexicon, "Check a file of forbidden phrases, and try texts against it",
        "Checks a file of forbidden phrases as TELLERCAST_LEXICON names it (docs/lexicon.md), counts its rules, and says what "
        "it finds in the texts given. Exit codes: 0 the file is good; 2 it can't be used, and why.",
    )  # fmt: skip
    lexicon.add_argument("file", type=Path, help="the .toml")
    lexicon.add_argument("--text", action="append", default=[], help="a text to look through; may be given several times")
    add("settings", _settings, "Show every setting with its source; secrets masked")
    return parser


def _serve(_arguments: argparse.Namespace, settings: Settings) -> int:
    from app.assertions import issuer_from
    from app.migrate import prepare
    from app.serve import serve

    issuer_from(settings)  # the web process would only be started again and again
    prepare(settings)
    return asyncio.run(serve(settings))


def _web(arguments: argparse.Namespace, settings: Settings) -> int:
    from app.process import run
    from app.web import run_web

    return run(lambda stopping: run_web(settings, stopping, arguments.listening), with_parent=arguments.with_parent)


def _media(arguments: argparse.Namespace, settings: Settings) -> int:
    from app.media import run_edge, run_media
    from app.process import run

    edge = arguments.edge
    if edge is None:
        return run(lambda stopping: run_media(settings, stopping), with_parent=arguments.with_parent)
    if not 1 <= edge < settings.media_processes:
        raise SettingsError(
            f"--edge {edge}: TELLERCAST_MEDIA_PROCESSES is {settings.media_processes}, so K is from 1 to one less than that"
        )
    return run(lambda stopping: run_edge(settings, stopping, edge), with_parent=arguments.with_parent)


def _migrate(_arguments: argparse.Namespace, settings: Settings) -> int:
    from app.migrate import application_role, migrate

    migrate(settings)
    role = application_role(settings)
    print("The database is up to date." if role is None else f"The database is up to date, and {role} has the rights it needs.")
    return 0


def _demo(_arguments: argparse.Namespace, settings: Settings) -> int:
    from app.demo import seed_database
    from app.migrate import prepare

    prepare(settings)
    asyncio.run(seed_database(settings))
    print("The demo's shows, products and people are in place.")
    return 0


def _verify(arguments: argparse.Namespace, _settings: Settings) -> int:
    from compliance.verifier import verify_bundle
    from recording.note import BadNote

    try:
        key = arguments.key.read_bytes() if arguments.key is not None else None
        report = verify_bundle(arguments.bundle, key)
    except OSError as error:
        print(f"tellercast verify: {error}", file=sys.stderr)
        return 2
    except BadNote as error:
        print(f"tellercast verify: {arguments.key} is no public key: {error}", file=sys.stderr)
        return 2
    print(report.to_text("en"))
    if not report.ok:
        return 1
    return 0 if report.is_verified else _NOBODY_VOUCHES


def _recover(arguments: argparse.Namespace, settings: Settings) -> int:
    from app.media import recover_archive

    return recover_archive(settings, dry_run=arguments.dry_run)


def _keys(arguments: argparse.Namespace, settings: Settings) -> int:
    from app.keys import keys_command

    return keys_command(settings, arguments.action)


def _outbox(arguments: argparse.Namespace, settings: Settings) -> int:
    from app.outbox import outbox_command

    return outbox_command(settings, arguments.action, arguments.receiver)


def _lexicon(arguments: argparse.Namespace, _settings: Settings) -> int:
    from compliance.lexicon_file import LexiconError, read_lexicon
    from compliance.lexicon_report import counted, tried

    try:
        lexicon = read_lexicon(arguments.file)
    except LexiconError as error:
        print(f"tellercast lexicon: {error}", file=sys.stderr)
        return 2
    print(counted(lexicon))
    for text in arguments.text:
        print(tried(lexicon, text))
    return 0


def _settings(_arguments: argparse.Namespace, settings: Settings) -> int:
    print(describe(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
