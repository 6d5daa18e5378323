"""The bundle that most tests of the verifier change."""

from __future__ import annotations

import pytest

from tests.compliance.made import Bundle, make_bundle


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle"))
