"""Test processes stay on a core each: to wake a thread on another core costs twice as much as on one's own.

A pipeline hands every transaction to a thread and back. Processes beyond the number of cores, those that tests kill,
and threads that race (`every_core`) run wherever there is room.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_CAN_CHOOSE = hasattr(os, "sched_setaffinity")
_ALLOWED = "SOCIALANALYZER_TEST_CORES"
"""Names the cores that a test process had, for those it starts."""


def stay_on_one(number: int) -> None:
    """Keep this process, and those it starts, on the core of that number, if there is one."""
    if _CAN_CHOOSE and number < len(cores := sorted(os.sched_getaffinity(0))):
        os.environ[_ALLOWED] = ",".join(map(str, cores))
        os.sched_setaffinity(0, {cores[number]})


def run_anywhere() -> None:
    """Let this process use every core that its test process had."""
    if _CAN_CHOOSE and (cores := os.environ.get(_ALLOWED)):
        os.sched_setaffinity(0, map(int, cores.split(",")))


@contextmanager
def every_core_allowed() -> Iterator[None]:
    """Threads that are started in the block run on every core that the test process had."""
    before = os.sched_getaffinity(0) if _CAN_CHOOSE else set()
    run_anywhere()
    try:
        yield
    finally:
        if _CAN_CHOOSE:
            os.sched_setaffinity(0, before)
