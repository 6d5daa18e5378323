"""A still of a recording, for lists and the lobby."""

from __future__ import annotations

import asyncio
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from recording.fragment import BadMedia

TIMEOUT_S = 20.0


async def make_poster(source: Path, out: Path, *, at_s: float = 0.0, width: int = 640, timeout: float = TIMEOUT_S) -> None:
    """Writes `out` (JPEG, `width` pixels wide) from the picture `at_s` seconds into `source`, a fragment or a playable copy.

    `out` appears complete or not at all. Raises BadMedia when there is no picture, TimeoutError when FFmpeg takes too long.
    """
    part = out.with_name(out.name + ".part")
    try:
        await _run(_command(source, part, at_s, width), timeout)
        if not await asyncio.to_thread(_filled, part):
            raise BadMedia("no picture there")
        await asyncio.to_thread(part.replace, out)
    finally:
        await asyncio.to_thread(part.unlink, missing_ok=True)


def _filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _command(source: Path, out: Path, at_s: float, width: int) -> list[str]:
    seek = {"ss": at_s} if at_s > 0 else {}
    still = ffmpeg.input(f"file:{source}", **seek).filter("scale", width, -2)
    still = still.output(f"file:{out}", format="image2", vcodec="mjpeg", vframes=1, update=1, **{"q:v": 4})
    still = still.global_args("-nostdin", "-loglevel", "error").overwrite_output()
    command: list[str] = still.compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    return command


async def _run(command: list[str], timeout: float) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, errors = await asyncio.wait_for(process.communicate(), timeout)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BadMedia(errors.decode(errors="replace").strip()[-300:])
