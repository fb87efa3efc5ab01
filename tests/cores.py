"""Test processes stay on a core each: to wake a thread on another core costs twice as much as on one's own.

A pipeline hands every transaction to a thread and back. Processes beyond the number of cores, and those whose races are
tested, run wherever there is room.
"""

import os

_CAN_CHOOSE = hasattr(os, "sched_setaffinity")


def stay_on_one(number: int) -> None:
    """Keep this process, and those it starts, on the core of that number, if there is one."""
    if _CAN_CHOOSE and number < len(cores := sorted(os.sched_getaffinity(0))):
        os.sched_setaffinity(0, {cores[number]})


def run_anywhere() -> None:
    """Let this process use every core it may."""
    if _CAN_CHOOSE:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
