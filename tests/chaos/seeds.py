"""The seed of a chaos run: drawn anew each time, printed, and given again to repeat a failure."""

import os
import random
import sys

SEED_VARIABLE = "CHAOS_SEED"


def drawn_seed() -> int:
    """The seed of CHAOS_SEED, else a new one; printed, so that a failing run can be repeated."""
    given = os.environ.get(SEED_VARIABLE)
    seed = int(given) if given else random.SystemRandom().randrange(2**32)
    sys.stderr.write(f"{SEED_VARIABLE}={seed}\n")
    return seed
