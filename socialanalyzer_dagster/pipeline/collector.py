"""Python's garbage collector: it need not look at what stays for good, nor after every few objects."""

import gc
from functools import cache

_NEW_OBJECTS = 20_000
_YOUNG, _OLD = 20, 20


def collect_rarely() -> None:
    """Before modules are loaded: they are no garbage, and to look for it among them took a third of that time."""
    gc.set_threshold(_NEW_OBJECTS, _YOUNG, _OLD)


@cache
def spare_collector() -> None:
    """Once per process, before the work begins: what was imported is never garbage, and leads come by the hundred.

    Looking through modules and statements again and again took an eighth of a run's processor time.
    """
    gc.collect()
    gc.freeze()
    collect_rarely()
