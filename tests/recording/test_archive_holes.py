"""What a fragment's event says beyond its file is announced the same after a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.ids import new_id
from recording.archive import FolderArchive, Place
from recording.fragment import Hole, Media, Muxer, Sample
from recording.writer import Recording, Writer
from tests.recording.synthetic import MemoryFeed

SILENCE = b"\xf8\xff\xfe"
HOLES = (Hole("audio", 5_200, 5_700, "packets_lost"),)


def _sound(*holes: Hole) -> Media:
    return Media(audio=[Sample(5_000 * 48 + i * 960, 960, SILENCE) for i in range(50)], holes=holes)


class _Dying(FolderArchive):
    """Dies between the announcement and the removal of the mark."""

    def announced(self, path: str) -> None:
        """Never gets there."""


@pytest.mark.parametrize("holes", [(), HOLES])
def test_recovery_announces_the_same_event(tmp_path: Path, holes: tuple[Hole, ...]) -> None:
    feed = MemoryFeed()
    writer = Writer(_Dying(tmp_path, 0), feed)
    writer.start()
    writer.write(Recording(new_id("ses"), "host", 1_795_334_400_123), 0, _sound(*holes))
    assert writer.stop(20)
    [told] = feed.of("fragment_sealed")
    assert ("holes" in told) == bool(holes)

    assert list(FolderArchive(tmp_path, 0).recover()) == [told]
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize("damaged", [b"", b'{"holes": [', b"[]", b"\xff"])
def test_a_damaged_mark_loses_no_fragment(tmp_path: Path, damaged: bytes) -> None:
    archive = FolderArchive(tmp_path, 0)
    extra: dict[str, Any] = {"holes": [{"track": "audio", "from_ms": 5_200, "to_ms": 5_700, "reason": "packets_lost"}]}
    stored = archive.write(Place(new_id("ses"), "host", 1_795_334_400_123, 0), Muxer().mux(_sound())[0], extra)
    [mark] = (tmp_path / "incoming").glob("*.pending")
    mark.write_bytes(damaged)
    [event] = archive.recover()
    assert (event["path"], event["sha256"], event.get("holes")) == (stored.path, stored.sha256, None)
