"""A PostgreSQL server of our own, as durable as one in service: its defaults, nothing turned off."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

_READY_WITHIN_S = 30.0


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Its address (asyncpg's), for as long as the block lasts. Raises RuntimeError when there is no PostgreSQL."""
    binaries = _binaries()
    as_other: list[str] = []
    if os.geteuid() == 0:  # initdb refuses root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_other = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    data, port = folder / "data", free_port()
    made = [*as_other, str(binaries / "initdb"), "-D", str(data), "-U", "tellercast", "-A", "trust", "-E", "UTF8"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd=folder)
    command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
    server = subprocess.Popen([*as_other, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        _wait(binaries / "pg_isready", port, server)
        yield f"postgresql+asyncpg://tellercast@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _binaries() -> Path:
    for candidate in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (candidate / "initdb").exists():
            return candidate
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError("PostgreSQL is not installed; `make test-tools` installs it")
    return Path(found).parent


def _wait(is_ready: Path, port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        if subprocess.run([str(is_ready), "-q", "-h", "127.0.0.1", "-p", str(port)], check=False, timeout=10).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not become ready")


def server_version() -> str:
    """As the server itself says it."""
    said = subprocess.run([str(_binaries() / "postgres"), "--version"], check=True, capture_output=True, text=True, timeout=10)
    return said.stdout.strip().replace("postgres (PostgreSQL)", "PostgreSQL")
