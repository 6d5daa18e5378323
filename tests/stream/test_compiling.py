"""Machine code is kept for its source alone, and what can't be read or written costs time and nothing else."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import llvmlite.binding
import pytest

from stream import compiled

SOURCE = """from stream.compiling import Kept

kept = Kept(__file__)

@kept
def added(x):
    return x + {number}
"""
_names = itertools.count()


@pytest.fixture
def load(tmp_path: Path) -> Callable[[int], ModuleType]:
    def load(number: int) -> ModuleType:
        """The module as a new process would have it."""
        path = tmp_path / "module.py"
        path.write_text(SOURCE.format(number=number))
        spec = importlib.util.spec_from_file_location(f"tried_{next(_names)}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "__pycache__").glob("module-*/**/*.nb?"))


def test_what_was_compiled_is_read_by_the_next(load: Callable[[int], ModuleType], tmp_path: Path) -> None:
    assert load(1).added(1) == 2
    assert [path.suffix for path in kept(tmp_path)] == [".nbc", ".nbi"]
    again = load(1)
    assert again.added(1) == 2
    assert sum(again.added.stats.cache_hits.values()) == 1


def test_another_source_has_a_place_of_its_own_and_the_old_one_goes(load: Callable[[int], ModuleType], tmp_path: Path) -> None:
    load(1).added(1)
    before = kept(tmp_path)
    assert load(2222).added(1) == 2223
    after = kept(tmp_path)
    assert len(after) == len(before)
    assert not set(after) & set(before)


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_what_is_damaged_can_be_forgotten(load: Callable[[int], ModuleType], tmp_path: Path, suffix: str) -> None:
    load(1).added(1)
    [damaged] = [path for path in kept(tmp_path) if path.suffix == suffix]
    damaged.write_bytes(b"")
    module = load(1)
    with pytest.raises(EOFError):
        module.added(1)
    module.kept.forget()
    assert module.added(1) == 2


def test_where_nothing_can_be_written_it_is_compiled_all_the_same(
    load: Callable[[int], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "__pycache__").write_text("in the way")
    monkeypatch.setenv("HOME", str(tmp_path / "module.py"))
    assert load(1).added(1) == 2


def test_the_loop_calls_the_library_that_makes_the_ciphers() -> None:
    library = compiled.load()
    assert library is not None, "this machine has no libcrypto.so.3"
    for name in ("EVP_EncryptInit_ex", "EVP_EncryptUpdate", "EVP_EncryptFinal_ex", "EVP_CIPHER_CTX_ctrl"):
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        assert llvmlite.binding.address_of_symbol("tellercast_" + name) == address
