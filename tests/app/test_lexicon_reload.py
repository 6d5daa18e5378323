"""The lexicon's file holds from the start and anew when it changes; one that can't be used leaves the last good rules."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp.test_utils import TestServer

from app import lexicon as watching
from app.lexicon import open_lexicon
from app.migrate import migrate
from app.process import CannotStart
from app.settings import Settings
from app.web import open_web
from compliance.lexicon import TERMS, Action, hits, in_force, strictest

RULE = '[[rule]]\nterms = ["{}"]\naction = "hold"\nsource = "house rule"\n'


def put(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[TestServer]:
    """The application, and its watch over the file beside it."""
    await asyncio.to_thread(migrate, settings)
    async with open_web(settings) as built:
        server = TestServer(built.application)
        await server.start_server()
        task = asyncio.create_task(built.works["lexicon"]())
        try:
            yield server
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await server.close()


async def told(server: TestServer) -> tuple[str, list[str]]:
    """What readiness and figures say of the lexicon."""
    async with aiohttp.ClientSession() as client:
        async with client.get(server.make_url("/readyz")) as answer:
            ready: dict[str, Any] = await answer.json()
        async with client.get(server.make_url("/metrics")) as answer:
            figures = (await answer.text()).splitlines()
    return ready["lexicon"], [line for line in figures if line.startswith("tellercast_lexicon")]


async def test_a_changed_file_is_in_force_and_a_bad_one_leaves_the_last_good_rules(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 0.02)
    file = tmp_path / "rules.toml"
    put(file, RULE.format("甲乙丙"))
    with structlog.testing.capture_logs() as logged:
        async with running(replace(settings, lexicon=str(file))) as server:
            assert strictest(hits("甲 乙 丙")) is Action.HOLD
            first = in_force().version

            put(file, RULE.format("丁戊己"))
            await until(lambda: bool(hits("丁戊己")))
            assert hits("甲乙丙") == []
            good = in_force().version
            assert good != first
            count = len(TERMS) + 1
            assert await told(server) == ("in force", [f"tellercast_lexicon_rules {count}.0", "tellercast_lexicon_refused 0.0"])

            put(file, RULE.format("庚辛").replace("hold", "hide"))
            await until(lambda: any(line["log_level"] == "error" for line in logged))
            assert await told(server) == ("refused", [f"tellercast_lexicon_rules {count}.0", "tellercast_lexicon_refused 1.0"])
            assert (in_force().version, bool(hits("丁戊己"))) == (good, True)

            file.unlink()
            await until(lambda: sum(line["log_level"] == "error" for line in logged) == 2)
            put(file, RULE.format("庚辛"))
            await until(lambda: bool(hits("庚辛")))
            assert (await told(server))[0] == "in force"
    errors = [line["error"] for line in logged if line["log_level"] == "error"]
    assert ["action is 'hide'" in errors[0], "No such file" in errors[1], len(errors)] == [True, True, 2]
    assert hits("庚辛") == []  # the built-in rules again: nothing is left behind


async def test_a_signal_has_the_file_read_at_once(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 3600.0)
    file = tmp_path / "rules.toml"
    put(file, RULE.format("甲乙丙"))
    usual = signal.getsignal(signal.SIGHUP)
    async with running(replace(settings, lexicon=str(file))):
        await until(lambda: signal.getsignal(signal.SIGHUP) is not usual)
        put(file, RULE.format("丁戊己"))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: bool(hits("丁戊己")))


def test_a_bad_file_at_the_start_is_named_with_what_to_do(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    put(file, RULE.format("***"))
    with pytest.raises(
        CannotStart, match=r"TELLERCAST_LEXICON: .*rules.toml, line 1, .*neither letters.*tellercast lexicon FILE"
    ):
        open_lexicon(replace(settings, lexicon=str(file)))
    assert len(in_force().terms) == len(TERMS)
