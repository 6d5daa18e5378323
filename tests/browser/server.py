"""A whole Tellercast, started as an operator starts it: `tellercast serve --demo` with its own folder and ports."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
READY_WITHIN_S = 60
# To ask without a pause would take the processor that the server needs to become ready.
_ASKED_EVERY_S = 0.05


@dataclass
class Server:
    """One running installation; `log` holds what it said."""

    folder: Path
    http_port: int = field(default_factory=free_port)
    udp_port: int = field(default_factory=lambda: free_port(udp=True))
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.http_port}"

    @property
    def log(self) -> str:
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> Server:
        """Starts it and waits until it says it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TELLERCAST_")},
            "TELLERCAST_HTTP_PORT": str(self.http_port),
            "TELLERCAST_MEDIA_UDP_PORT": str(self.udp_port),
            "TELLERCAST_DATA_DIR": str(self.folder / "var"),
            **self.environ,
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "serve", "--demo"], cwd=ROOT, env=environ, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log[-4000:]}")
            if self.ready():
                return self
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_ASKED_EVERY_S)
        raise RuntimeError(f"the server was not ready within {READY_WITHIN_S} s:\n{self.log[-4000:]}")

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def child(self, name: str) -> psutil.Process:
        """The process called `web` or `media` under this server's supervisor."""
        assert self.process is not None
        for process in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it is dying as we look
                if name in process.cmdline():
                    return process
        raise RuntimeError(f"no {name} process runs")

    def kill(self, name: str) -> None:
        """SIGKILL to one of its two processes, and nothing else."""
        self.child(name).kill()

    def stop(self) -> int:
        """Ctrl-C; answers the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=45)
