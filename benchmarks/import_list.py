"""A creator list of up to a million rows: peak memory and time of its preview and of making a batch of it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.options import Options

SIZES = (10_000, 100_000, 1_000_000)
MOST_GROWTH = 1.1
_MEASURED = """
import resource, sys
from socialanalyzer_dagster import cli
code = cli.run(sys.argv[1:])
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
sys.exit(code)
"""


def measure(options: Options) -> Iterator[Figure]:
    """Figures of every size; the memory for many rows beside that for few."""
    sizes = options.sizes or SIZES
    peaks: dict[str, list[float]] = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "list.csv"
            _write(file, rows)
            home = os.environ | {
                "SOCIALANALYZER_HOME": f"{folder}/home",
                "SOCIALANALYZER_SANDBOX_URL": "http://127.0.0.1:9",
            }
            place = ("--platform", "patreon")
            commands = {
                "preview": ("list", "preview", str(file), *place),
                "batch create": (
                    "batch", "create", "--list", str(file), *place, "--max-leads", "100", "--yes", "--stop-at-cap",
                ),
            }  # fmt: skip
            for name, command in commands.items():
                peak, seconds = _run(home, *command)
                peaks.setdefault(name, []).append(peak)
                yield Figure(name=f"import, {name}, {rows:,} rows: peak memory", value=peak, unit="MB")
                yield Figure(name=f"import, {name}, {rows:,} rows: wall time", value=seconds, unit="s")
    for name, (*_, before, last) in peaks.items() if len(sizes) > 1 else ():
        what = f"import, {name}, {sizes[-2]:,} to {sizes[-1]:,} rows: peak memory"
        yield Figure(name=what, value=last / before, unit="times", most=MOST_GROWTH)


def _write(file: Path, rows: int) -> None:
    about = "Podcasts about travel, trains and long walks; new every week, with a map and a recipe for members."
    with file.open("w", encoding="utf-8") as out:
        out.write("Creator,Page,Patrons,About\n")
        for number in range(rows):
            page = "" if number % 100 == 7 else f"https://www.patreon.com/creator{number}"
            out.write(f'"Creator {number}",{page},{number % 90_000},"{about}"\n')


def _run(environment: dict[str, str], *arguments: str) -> tuple[float, float]:
    """Megabytes at most, and seconds."""
    started = time.perf_counter()
    command = [sys.executable, "-c", _MEASURED, *arguments, "--json"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - our own command
    json.loads(done.stdout)
    return int(done.stderr.split()[-1]) / 1024, time.perf_counter() - started
