"""How long the offline verifier takes for a very long show, beside the least that anything has to do for it.

The product: `verify_bundle` in a process of its own, from opening the file to the report, with everything it checks. The floor:
the same entries unpacked and each line put through SHA-256 once, in the same process afterwards. The bundle is that of
`bench/long_show.py`, made anew and not timed. `peak_mb` is the most memory that the process and those it started held.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from compliance.bundle import ENTRIES, BundleFile
from compliance.provers import processes
from compliance.verifier import verify_bundle

_ROOT = Path(__file__).resolve().parent.parent
_MEASURED_WITHIN_S = 600.0


def measure(entries: int, folder: Path) -> dict[str, Any]:
    """The figures for a show of so many entries."""
    from bench.long_show import make  # noqa: PLC0415 - with half the product behind it, which is not to count as memory

    path = folder / "bundle.zip"
    path.with_suffix(".key").write_bytes(make(path, entries))
    command = [sys.executable, "-m", "bench.verifier", "--file", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=_MEASURED_WITHIN_S, cwd=_ROOT)
    return {"entries": entries, **json.loads(done.stdout.splitlines()[-1]), "bundle_mb": round(path.stat().st_size / 2**20, 1)}


def measure_file(path: Path) -> dict[str, Any]:
    """The figures of one bundle, with its keys beside it."""
    key = path.with_suffix(".key").read_bytes()
    began, cpu = time.perf_counter(), _cpu_s()
    report = verify_bundle(path, key)
    seconds, cpu = time.perf_counter() - began, _cpu_s() - cpu
    assert report.is_verified, report.to_text()
    # Each of the others held at most as much as the one that held the most.
    peak = _peak_kb() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * processes(report.entries)
    began = time.perf_counter()
    with BundleFile(path) as bundle:
        for line in bundle.lines(ENTRIES):
            sha256(line).digest()
    floor = time.perf_counter() - began
    return {
        "seconds": round(seconds, 2),
        "entries_per_s": round(report.entries / seconds),
        "peak_mb": round(peak / 1024, 1),
        "cpu_s": round(cpu, 2),
        "floor_s": round(floor, 2),
        "floor_ratio": round(seconds / floor, 2),
        "fragments": report.fragments,
        "orders": report.orders,
    }


def _cpu_s() -> float:
    """CPU time of this process and of those it started and has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_kb() -> int:
    """The most memory this program held; `getrusage` would count what started it as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.verifier", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the show, at least 10")
    parser.add_argument("--dir", type=Path, default=None, help="where the bundle is made; default: the temporary folder")
    parser.add_argument("--file", type=Path, default=None, help="measure this bundle, with its keys beside it in NAME.key")
    arguments = parser.parse_args()
    if arguments.file is not None:
        print(json.dumps(measure_file(arguments.file)))
        return 0
    with tempfile.TemporaryDirectory(prefix="tellercast-bench-", dir=arguments.dir) as name:
        found = measure(arguments.entries, Path(name))
    print(
        f"{found['entries']:,} entries in {found['seconds']} s, {found['entries_per_s']:,} a second, "
        f"{found['cpu_s']} s of CPU, {found['peak_mb']} MiB; the floor takes {found['floor_s']} s"
    )
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
