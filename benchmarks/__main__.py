"""`python -m benchmarks [name]`: run one benchmark or all, and print a line per figure."""

import sys
from collections.abc import Callable

from benchmarks import batch, gate, import_list, rescore, throttling

BENCHMARKS: dict[str, Callable[[], dict[str, object]]] = {
    "gate": gate.measure,
    "rescore": rescore.measure,
    "batch": batch.measure,
    "import": import_list.measure,
    "throttling": throttling.measure,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"there is no benchmark '{unknown[0]}'; there are: {', '.join(BENCHMARKS)}\n")
        return 2
    for name in names or BENCHMARKS:
        for figure, value in BENCHMARKS[name]().items():
            sys.stdout.write(f"{name}: {figure} = {value}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
