"""Where the machine code of a compiled module is kept, so that only the first start on a machine waits for numba."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core.caching import NullCache

_config: Any = numba.config  # it makes its names when it is loaded


class Kept:
    """Decorates the functions of one module, whose file is `source`.

    They are compiled when they are first called. The result is kept in a folder for this source and this numba alone: numba
    writes its index before what that points to, so where the second fails old code would stand for new.
    """

    def __init__(self, source: str) -> None:
        self._folder = _folder(Path(source))
        self._functions: list[Any] = []

    def __call__(self, function: Any) -> Any:
        before, _config.CACHE_DIR = _config.CACHE_DIR, str(self._folder or "")
        try:
            made = njit(function, cache=self._folder is not None)
        finally:
            _config.CACHE_DIR = before
        self._functions.append(made)
        return made

    def forget(self) -> None:
        """What was kept can't be read, or nothing can be kept: from now on it is compiled anew, and that is not kept."""
        for function in self._functions:
            function._cache = NullCache()  # private: `tests/stream/test_compiling.py` needs it


def _folder(source: Path) -> Path | None:
    """In `NUMBA_CACHE_DIR`, beside the source, or in the user's cache; None where none of them can be written."""
    version = hashlib.sha256(numba.__version__.encode() + source.read_bytes()).hexdigest()[:16]
    given = [Path(_config.CACHE_DIR)] if _config.CACHE_DIR else []
    for base in (*given, source.parent / "__pycache__", Path(os.path.expanduser("~/.cache/tellercast"))):
        folder = base / f"{source.stem}-{version}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            for other in base.glob(f"{source.stem}-*"):
                if other != folder and other.is_dir():
                    shutil.rmtree(other, ignore_errors=True)
            return folder
    return None
