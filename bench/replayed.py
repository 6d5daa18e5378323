"""A show that is over, an hour long and full of comments, made in a running server for benchmarks of its replay.

The picture (a moving test pattern) and the sound (a beep) are made for a minute and repeated. They are muxed as the recorder
does it, written through the archive's own door and entered by the journal; comments, pins and changes of the shelf are entries
of the trail at the media times at which they would have been made. The show is ended over the API: its gaps, its seal and the
film that the watch page plays are the server's own work. Comments gather in the middle, as when everybody asks at once.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import av

from core.clock import SystemClock
from core.database import Database
from recording import kinds
from recording.archive import FolderArchive, Place
from recording.fragment import AUDIO_RATE, VIDEO_RATE, Media, Muxer, Sample
from recording.journal import Journal
from recording.reports import FragmentSealed, SessionClosed
from recording.trail import Draft, Trail
from tests.browser.server import Server
from tests.browser.steps import until
from tests.recording.synthetic import Microphone

HOST: Final = "adviser-1"
MINUTE_MS: Final = 60_000
_WIDTH, _HEIGHT, _FPS = 960, 540, 25
_FRAGMENT_S: Final = 4
_SOUND: Final = 960  # samples of a packet
_STREAM, _EPOCH = "host", 1
_ENCODED_WITHIN_S: Final = 120.0
_ASKED_WITHIN_S: Final = aiohttp.ClientTimeout(total=30)
_FILM_WITHIN_S: Final = 300.0
_TEXTS: Final = (
    "这个产品的风险怎么样?",
    "What is the fee?",
    "谢谢主播 👍",
    "封闭期多久?",
    "How long is the term, and can I leave early?",
    "R3 和 R2 有什么区别,我之前买的是稳健型的",
    "1",
    "请问业绩比较基准是保证的吗?",
)


async def make(server: Server, minutes: int, comments: int) -> tuple[str, list[int]]:
    """Its session, and how many comments each minute has. Raises AssertionError when there is no film of it in time."""
    data = server.folder / "var"
    db = Database(f"sqlite+aiosqlite:///{(data / 'tellercast.db').resolve()}")
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.http_port}", timeout=_ASKED_WITHIN_S) as http:
            token = (await _ask(http, "POST", "/api/demo/login", {"as": HOST}))["token"]
            http.headers["Authorization"] = f"Bearer {token}"
            show = next(one for one in (await _ask(http, "GET", "/api/shows"))["upcoming"] if one["mine"])
            session = str((await _ask(http, "POST", f"/api/shows/{show['id']}/start"))["session"])
            told = await _Telling(db, session, data / "archive").tell(minutes, comments)
            await _ask(http, "POST", f"/api/shows/{show['id']}/end")
            async with db.write() as tx:
                await Journal(Trail(SystemClock())).session_closed(tx, SessionClosed(session), "session_closed")

            async def film() -> Any:
                return (await _ask(http, "GET", f"/api/sessions/{session}"))["replay"]

            await until(film, "the film of the show", _FILM_WITHIN_S)
    finally:
        await db.close()
    return session, told


async def _ask(http: aiohttp.ClientSession, method: str, path: str, body: object = None) -> Any:
    async with http.request(method, path, json=body if method == "GET" else body or {}) as answer:
        answer.raise_for_status()
        return await answer.json()


class _Telling:
    """Writes what happened in the show, a minute after the other."""

    def __init__(self, db: Database, session: str, archive: Path) -> None:
        self._db, self._session = db, session
        self._archive = FolderArchive(archive)
        self._muxer = Muxer()
        self._trail = Trail(SystemClock())
        self._journal = Journal(self._trail)
        self._index = self._said = 0

    async def tell(self, minutes: int, comments: int) -> list[int]:
        """So many of each; answers how many comments each minute has."""
        counts = spread(comments, minutes)
        pictures = await asyncio.to_thread(_pictures)
        sounds = await asyncio.to_thread(_sounds)
        async with self._db.read() as tx:
            [shelf] = await self._trail.entries(tx, self._session, kinds={kinds.SHELF_CHANGED})
        for minute, count in enumerate(counts):
            reports = await asyncio.to_thread(partial(list, self._fragments(minute, pictures, sounds)))
            drafts = [*_marks(minute, shelf.data["products"]), *self._comments(minute, count)]
            async with self._db.write() as tx:
                for report in reports:
                    await self._journal.fragment_sealed(tx, report, kinds.FRAGMENT)
                await self._trail.append(tx, self._session, *sorted(drafts, key=lambda draft: draft.media_ms or 0))
            for report in reports:
                self._archive.announced(report.path)
        return counts

    def _fragments(self, minute: int, pictures: list[bytes], sounds: list[bytes]) -> Iterator[FragmentSealed]:
        for number in range(60 // _FRAGMENT_S):
            start_s = number * _FRAGMENT_S
            video = _samples(pictures, start_s, _FPS, VIDEO_RATE, minute)
            audio = _samples(sounds, start_s, AUDIO_RATE // _SOUND, AUDIO_RATE, minute)
            video = [replace(sample, keyframe=at == 0) for at, sample in enumerate(video)]
            first = video[0].data
            body, holds = self._muxer.mux(Media(video=video, audio=audio, parameters=first[:64], keyframe=first))
            place = Place(self._session, _STREAM, _EPOCH, self._index)
            self._index += 1
            stored = self._archive.write(place, body)
            yield FragmentSealed(
                self._session, _STREAM, _EPOCH, place.index, holds.start_ms, holds.end_ms, stored.bytes, stored.sha256,
                stored.path, holds.video, holds.audio, recorded_ms=holds.end_ms,
            )  # fmt: skip

    def _comments(self, minute: int, count: int) -> Iterator[Draft]:
        for place in range(count):
            self._said += 1
            number = self._said
            data = {"id": f"cmt_{number:026}", "author_tag": f"{number % 997:016x}", "host": number % 200 == 0}
            text = _TEXTS[number * 7 % len(_TEXTS)]
            private = {"text": f"{text} {number}", "author": "李**", "person": f"viewer-{number % 997}"}
            at_ms = minute * MINUTE_MS + place * MINUTE_MS // count
            yield Draft(kinds.COMMENT, "customer", data, private, media_ms=at_ms)


def _marks(minute: int, products: list[dict[str, Any]]) -> Iterator[Draft]:
    """Each minute another product is explained; every tenth, one is taken from the shelf or put back."""
    start_ms = minute * MINUTE_MS
    left = products[: len(products) - minute // 10 % 2]
    if minute % 10 == 0:
        yield Draft(kinds.SHELF_CHANGED, HOST, {"products": left, "pinned": None}, media_ms=start_ms)
    now = left[minute % len(left)]["id"]
    yield Draft(kinds.PRODUCT_PINNED, HOST, {"product": now}, media_ms=start_ms + MINUTE_MS // 4)
    if minute % 3 == 2:
        yield Draft(kinds.PRODUCT_UNPINNED, HOST, {"product": now}, media_ms=start_ms + MINUTE_MS * 3 // 4)


def spread(comments: int, minutes: int) -> list[int]:
    """How many each minute has: four times as many in the middle as at the ends, and exactly so many in all."""
    middle, width = (minutes - 1) / 2, max(minutes / 12, 1)
    weights = [1 + 3 * math.exp(-(((minute - middle) / width) ** 2)) for minute in range(minutes)]
    ends = [round(comments * sum(weights[: minute + 1]) / sum(weights)) for minute in range(minutes)]
    return [end - before for end, before in zip(ends, [0, *ends], strict=False)]


def _samples(units: list[bytes], start_s: int, per_s: int, rate: int, minute: int) -> list[Sample]:
    """Those of a fragment that begins there, at their media time."""
    first, each = start_s * per_s, rate // per_s
    begin = minute * 60 * rate
    return [
        Sample(begin + (first + at) * each, each, unit) for at, unit in enumerate(units[first : first + _FRAGMENT_S * per_s])
    ]


def _pictures() -> list[bytes]:
    """A minute's access units, Annex B, a keyframe at each fragment's beginning."""
    pattern = f"testsrc2=s={_WIDTH}x{_HEIGHT}:r={_FPS}"
    group = f"keyint={_FPS * _FRAGMENT_S}:scenecut=0:repeat-headers=1:annexb=1"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", pattern, "-t", "60", "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    command += ["-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline", "-b:v", "500k", "-x264-params", group]
    made = subprocess.run([*command, "-f", "h264", "-"], check=True, capture_output=True, timeout=_ENCODED_WITHIN_S)
    return _units(made.stdout)


def _units(stream: bytes) -> list[bytes]:
    parser = av.CodecContext.create("h264", "r")
    units = [bytes(packet) for packet in (*parser.parse(stream), *parser.parse())]
    if len(units) != 60 * _FPS:
        raise RuntimeError(f"{len(units)} pictures instead of {60 * _FPS}")
    return units


def _sounds() -> list[bytes]:
    microphone = Microphone()
    every_s = _SOUND / AUDIO_RATE
    return [microphone.encode(number * every_s) for number in range(60 * AUDIO_RATE // _SOUND)]
