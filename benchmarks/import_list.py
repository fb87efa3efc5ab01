"""A creator list of up to a million rows: peak memory and time of its preview and of making a batch of it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = (10_000, 100_000, 1_000_000)
_MEASURED = """
import resource, sys
from socialanalyzer_dagster import cli
code = cli.run(sys.argv[1:])
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
sys.exit(code)
"""


def measure() -> dict[str, object]:
    figures: dict[str, object] = {}
    for rows in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "list.csv"
            _write(file, rows)
            home = os.environ | {
                "SOCIALANALYZER_HOME": f"{folder}/home",
                "SOCIALANALYZER_SANDBOX_URL": "http://127.0.0.1:9",
            }
            place = ("--platform", "patreon")
            preview = _run(home, "list", "preview", str(file), *place)
            create = ("batch", "create", "--list", str(file), *place, "--max-leads", "100", "--yes", "--stop-at-cap")
            figures[f"{rows:,} rows, preview"] = preview
            figures[f"{rows:,} rows, batch create"] = _run(home, *create)
    return figures


def _write(file: Path, rows: int) -> None:
    about = "Podcasts about travel, trains and long walks; new every week, with a map and a recipe for members."
    with file.open("w", encoding="utf-8") as out:
        out.write("Creator,Page,Patrons,About\n")
        for number in range(rows):
            page = "" if number % 100 == 7 else f"https://www.patreon.com/creator{number}"
            out.write(f'"Creator {number}",{page},{number % 90_000},"{about}"\n')


def _run(environment: dict[str, str], *arguments: str) -> str:
    started = time.perf_counter()
    command = [sys.executable, "-c", _MEASURED, *arguments, "--json"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - our own command
    json.loads(done.stdout)
    return f"{int(done.stderr.split()[-1]) / 1024:.0f} MB, {time.perf_counter() - started:.1f} s"
