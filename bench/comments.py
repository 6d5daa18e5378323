"""What a room's comments cost, beside Node's socket.io, stock python-socketio and a bare write; and a lively show as a whole.

Delivery: one server after the other sends the same batch of five comments, framed for the same event, to the same number of
clients, 20 times a second. Counted is all CPU time of the server's process, over what its clients have got. The clients are
processes of their own, each client a plain Engine.IO v4 WebSocket. The rest stands in `bench/lively.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench import lively
from bench.emitters import batch
from bench.processes import Child, allow_many_files, child, cpu_seconds, program
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
_PROCESSES = 2
_WARM_S = 2.0
_ROUNDS = 3
_SETTLED_WITHIN_S = 20.0
PEERS = ("ours", "node", "floor", "stock")


async def delivery(
    clients: int, per_s: float, seconds: float, *, rounds: int = _ROUNDS, warm_s: float = _WARM_S
) -> dict[str, Any]:
    """CPU per delivery of each, in µs, by turns."""
    used = dict.fromkeys(PEERS, 0.0)
    done = dict.fromkeys(PEERS, 0)
    for _ in range(rounds):
        for name in PEERS:
            cpu_s, batches = await _sent(name, clients, per_s, seconds / rounds, warm_s)
            used[name] += cpu_s
            done[name] += batches
    us = {name: used[name] / done[name] * 1e6 for name in PEERS}
    return {
        "us_per_delivery": round(us["ours"], 2),
        "node_us": round(us["node"], 2),
        "stock_us": round(us["stock"], 2),
        "floor_us": round(us["floor"], 2),
        "ratio_node": round(us["node"] / us["ours"], 2),
        "ratio_stock": round(us["stock"] / us["ours"], 2),
        "floor_ratio": round(us["ours"] / us["floor"], 2),
        "clients": clients,
        "batches_per_s": per_s,
        "deliveries": done["ours"],
    }


async def _sent(name: str, clients: int, per_s: float, seconds: float, warm_s: float) -> tuple[float, int]:
    """CPU seconds of one server, and batches its clients got, every one of them all."""
    port = free_port()
    said = msgspec.to_builtins(batch())
    async with _server(name, port) as server, _crowd(clients, f"http://127.0.0.1:{port}") as crowd:
        await _emit(server, crowd, per_s, warm_s, said, clients)
        before = cpu_seconds(server.pid)
        sent = await _emit(server, crowd, per_s, seconds, said, clients)
        return cpu_seconds(server.pid) - before, sent


async def _emit(server: Child, crowd: list[Child], per_s: float, seconds: float, said: Any, clients: int) -> int:
    answer = await server.ask("emit", per_s=per_s, seconds=seconds, batch=said, limit_s=seconds + _SETTLED_WITHIN_S)
    due, got = answer["batches"] * clients, 0
    async with asyncio.timeout(_SETTLED_WITHIN_S):
        while got < due:
            got += sum([(await one.ask())["batches"] for one in crowd])
    if got != due:
        raise RuntimeError(f"{due} batches were due, and {got} came")
    return got


@asynccontextmanager
async def _server(name: str, port: int) -> AsyncIterator[Child]:
    if name == "node":
        started = program("node", str(ROOT / "bench" / "emitter.mjs"), str(port))
    else:
        started = child("bench.emitters", name, str(port))
    async with started as server:
        await server.line(_SETTLED_WITHIN_S)
        yield server


@asynccontextmanager
async def _crowd(clients: int, url: str, *, tokens: list[str] | None = None, session: str = "") -> AsyncIterator[list[Child]]:
    """Clients in the room, spread over processes."""
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(child("bench.listeners")) for _ in range(_PROCESSES)]
        names = tokens or [""] * clients
        for number, one in enumerate(crowd):
            mine = names[number::_PROCESSES]
            await one.ask("connect", url=url, tokens=mine, session=session, readers=0, limit_s=60)
        yield crowd


async def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All that was asked for."""
    found: dict[str, Any] = {}
    wanted = arguments.only or ("delivery", "show", "nuisances")
    for name in wanted:
        inner = folder / name
        inner.mkdir()
        if name == "delivery":
            found |= await delivery(arguments.clients, 20.0, arguments.seconds)
        elif name == "show":
            found["show"] = await lively.show(inner, arguments.viewers, 300.0, arguments.show_seconds)
        else:
            found["nuisances"] = await lively.nuisances(inner, 500, 50, 60.0, 30.0)
        print(name, json.dumps(found if name == "delivery" else found[name]))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.comments", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--seconds", type=float, default=15.0, help="for each server of the comparison")
    parser.add_argument("--clients", type=int, default=1000, help="of the comparison")
    parser.add_argument("--viewers", type=int, default=3000, help="of the lively show")
    parser.add_argument("--show-seconds", type=float, default=60.0, help="how long they talk")
    parser.add_argument("--only", choices=("delivery", "show", "nuisances"), action="append", help="one part alone")
    parser.add_argument("--dir", type=Path, default=None, help="where databases are made; default: the temporary folder")
    arguments = parser.parse_args()
    allow_many_files()
    with tempfile.TemporaryDirectory(prefix="tellercast-bench-", dir=arguments.dir) as name:
        found = uvloop.run(measure(arguments, Path(name)))
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
