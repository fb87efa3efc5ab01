"""In which order a test process collects: each begins with other files, so that every file is compiled by one of them.

Whatever one has compiled the others read. All put their tests into one order in the end, as pytest-xdist wants it.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def begin_elsewhere(config: pytest.Config) -> None:
    """Where all tests were asked for in several processes: the same files, from another one on in each process."""
    worker, of = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker is not None and [Path(each).resolve() for each in config.args] == [TESTS]:
        config.args = turned(sorted(map(str, TESTS.rglob("test_*.py"))), int(worker.removeprefix("gw")), of)


def turned(files: Sequence[str], number: int, of: int) -> list[str]:
    """All files, beginning with part `number` (from 0) of `of` parts."""
    first = len(files) * number // of
    return [*files[first:], *files[:first]]


def sort_tests(items: list[pytest.Item]) -> None:
    """By file; the tests of a file stay in their order."""
    items.sort(key=lambda item: item.path)
