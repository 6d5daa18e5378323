"""A real TURN server: Debian's coturn on loopback, on ports of its own, configured as the README says."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port

SECRET = "0123456789abcdef0123456789abcdef"
READY_WITHIN_S = 20
# Below the ports that the kernel gives out by itself (ip_local_port_range), so that who sends from one of them is the relay.
_RELAY_PORTS = range(20_000, 32_000)
_RELAYS = 20


def free_ports(count: int) -> range:
    """That many UDP ports in a row on loopback, free at this moment."""
    for _ in range(1000):
        first = random.randrange(_RELAY_PORTS.start, _RELAY_PORTS.stop - count)  # noqa: S311 - no secret
        if all(_is_free(port) for port in range(first, first + count)):
            return range(first, first + count)
    raise RuntimeError(f"no {count} free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class Coturn:
    """One running server that relays to `peer` alone. Without `udp`, clients reach it by TCP only."""

    folder: Path
    peer: str
    udp: bool = True
    port: int = field(default_factory=free_port)
    relays: range = field(default_factory=lambda: free_ports(_RELAYS))
    process: subprocess.Popen[bytes] | None = None

    @property
    def urls(self) -> str:
        """As an operator writes them into `TELLERCAST_TURN_URLS`."""
        return f"turn:127.0.0.1:{self.port}?transport=udp,turn:127.0.0.1:{self.port}?transport=tcp"

    @property
    def log(self) -> str:
        path = self.folder / "turnserver.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> Coturn:
        """Starts it and waits until it listens. A missing turnserver is an error, not a skip."""
        binary = shutil.which("turnserver")
        if binary is None:
            raise RuntimeError("coturn is not installed; `make test-tools` installs it")
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "turnserver.conf"
        config.write_text(self._config())
        with (self.folder / "turnserver.log").open("ab") as log:
            self.process = subprocess.Popen([binary, "-c", str(config)], cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"coturn ended with {self.process.returncode}:\n{self.log[-2000:]}")
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
        raise RuntimeError(f"coturn did not listen within {READY_WITHIN_S} s:\n{self.log[-2000:]}")

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)

    def _config(self) -> str:
        lines = [
            "use-auth-secret",
            f"static-auth-secret={SECRET}",
            "realm=tellercast.test",
            f"listening-port={self.port}",
            f"min-port={self.relays.start}",
            f"max-port={self.relays.stop - 1}",
            f"allowed-peer-ip={self.peer}",
            "denied-peer-ip=0.0.0.0-255.255.255.255",
            "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "no-tcp-relay",
            "no-cli",
            # From here on what a test on loopback needs and no installation has.
            "allow-loopback-peers",
            "listening-ip=127.0.0.1",
            "relay-ip=127.0.0.1",
            "no-tls",
            "no-dtls",
            f"userdb={self.folder / 'turndb'}",
            f"pidfile={self.folder / 'turnserver.pid'}",
            "log-file=stdout",
            "verbose",
            *([] if self.udp else ["no-udp"]),
        ]
        return "\n".join(lines) + "\n"
