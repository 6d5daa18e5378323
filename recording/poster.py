"""A still of a recording, for lists and the lobby."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import structlog

from recording.fragment import BadMedia

TIMEOUT_S = 20.0
TRIES = 8

log = structlog.get_logger(__name__)


async def make_poster(sources: Sequence[Path], out: Path, *, width: int = 640, timeout: float = TIMEOUT_S) -> None:
    """Writes `out` (JPEG, `width` pixels wide) from a frame near the beginning of a stream's fragments.

    The first fragments are tried one after the other until one has a picture: sound may come first. The very first fragment is
    passed over when there are more, since it often shows a camera that is still finding its light. `out` appears complete or
    not at all. Raises BadMedia when there is no picture, TimeoutError when FFmpeg takes longer than `timeout` seconds.
    """
    part = out.with_name(out.name + ".part")
    try:
        async with asyncio.timeout(timeout):
            for source in [*sources[1:TRIES], *sources[:1]]:
                if await _run(_command(source, part, width)) and await asyncio.to_thread(_filled, part):
                    await asyncio.to_thread(part.replace, out)
                    return
        raise BadMedia("no picture near the beginning")
    finally:
        await asyncio.to_thread(part.unlink, missing_ok=True)


def _filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _command(source: Path, out: Path, width: int) -> list[str]:
    still = ffmpeg.input(f"file:{source}").filter("scale", width, -2)
    still = still.output(f"file:{out}", format="image2", vcodec="mjpeg", vframes=1, update=1, **{"q:v": 4})
    still = still.global_args("-nostdin", "-loglevel", "error").overwrite_output()
    command: list[str] = still.compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    return command


async def _run(command: list[str]) -> bool:
    """Whether FFmpeg said it went well. The process is gone when this returns, cancelled or not."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        log.info("poster_not_there", detail=errors.decode(errors="replace").strip()[-300:])
    return process.returncode == 0
