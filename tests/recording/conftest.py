"""Fixtures of the recorder's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.clock import ManualClock
from tests.recording.studio import Studio


@pytest.fixture
async def studio(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Studio]:
    studio = Studio(tmp_path, clock)
    yield studio
    await studio.recorder.stop()
