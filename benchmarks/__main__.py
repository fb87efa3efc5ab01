"""`python -m benchmarks [NAME ...] [options]`: run benchmarks and print every figure with its target."""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import import_list, known, overhead, plan, quality, realistic, rescore
from benchmarks.engines import ENGINES
from benchmarks.figures import Figure, markdown_rows, text_table
from benchmarks.options import Options


def throttled(_options: Options) -> Iterator[Figure]:
    """Four batches in four processes against the documented limits."""
    from benchmarks import throttling

    yield from (Figure(name=f"throttling, {name}", value=str(value)) for name, value in throttling.measure().items())


BENCHMARKS: dict[str, Callable[[Options], Iterator[Figure]]] = {
    "overhead": overhead.measure,
    "realistic": realistic.measure,
    "known": known.measure,
    "rescore": rescore.measure,
    "plan": plan.measure,
    "quality": quality.measure,
    "import": import_list.measure,
    "throttling": throttled,
}


def main(given: list[str]) -> int:
    """0 when every target was met, 1 when one was missed, 2 for a name that is none."""
    asked = _arguments(given)
    options = Options(engines=tuple(asked.engine), sizes=tuple(asked.size), limits=tuple(asked.limit))
    sys.stdout.write(f"{_place()}\n")
    figures: list[Figure] = []
    for name in asked.names or BENCHMARKS:
        found = list(BENCHMARKS[name](options))
        table = markdown_rows(found) if asked.markdown else text_table(found)
        sys.stdout.write(f"\npython -m benchmarks {' '.join([name, *_without_names(given)])}\n{table}\n")
        sys.stdout.flush()
        figures += found
    return int(any(figure.verdict.startswith("missed") for figure in figures))


def _arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure what docs/performance.md claims."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all when none is given")
    parser.add_argument("--engine", action="append", default=[], choices=ENGINES, help="one engine instead of both")
    parser.add_argument("--size", action="append", default=[], type=int, help="a number of leads instead of the usual")
    parser.add_argument("--limit", action="append", default=[], help="realistic: such as openai.tokens=450000/60")
    parser.add_argument("--markdown", action="store_true", help="rows for the table of docs/performance.md")
    asked = parser.parse_args(given)
    if unknown := [name for name in asked.names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark '{unknown[0]}'; there are: {', '.join(BENCHMARKS)}")
    return asked


def _without_names(given: list[str]) -> list[str]:
    return [each for each in given if each not in BENCHMARKS and each != "--markdown"]


def _place() -> str:
    """The machine, the code and the moment: a figure means nothing without them."""
    git = ("git", "rev-parse", "--short", "HEAD")
    done = subprocess.run(git, capture_output=True, text=True, check=False)  # noqa: S603
    commit = done.stdout.strip() or "unknown"
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, load {load}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
