"""`python -m tests.chaos --kills 50 --histories 10000 [--seed N]`: both proofs at full length, on both engines."""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path

from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, shipped_policy
from socialanalyzer_dagster.storage import schema
from socialanalyzer_dagster.storage.database import Database
from tests.chaos.installation import Size
from tests.chaos.ledger_machine import run_histories
from tests.chaos.rounds import Databases, Report, Round, arena_of, dice_of
from tests.chaos.seeds import SEED_VARIABLE
from tests.conftest import ENGINES, new_database, postgres_of

LARGE = Size({"instagram": 5, "patreon": 8, "facebook": 9})
_KILLS_OF_A_ROUND = 9
_KINDS = (
    Round(_KILLS_OF_A_ROUND),
    Round(_KILLS_OF_A_ROUND, is_hostile=True),
    Round(_KILLS_OF_A_ROUND, is_hostile=True, is_capped=True),
)
_LEAST_COMPARED = 0.1
"""Of the leads of hostile rounds with enough money; below it the comparison would say little."""


def main() -> int:
    """Run both; 0 when everything holds. A failure names the seed and leaves its folder."""
    options = _options()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    _say(f"seed {seed}; the same again: python -m tests.chaos --kills {options.kills} "
         f"--histories {options.histories} --seed {seed}")  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        databases = {engine: _factory(engine, folder) for engine in ENGINES}
        _histories(databases, options.histories, seed)
        _kills(databases, options.kills, seed, folder)
    except BaseException:
        _say(f"FAILED with seed {seed}; what it left is in {folder}")
        raise
    shutil.rmtree(folder)
    return 0


def _histories(databases: dict[str, Databases], wanted: int, seed: int) -> None:
    """Half of the histories on each engine."""
    for at, engine in enumerate(ENGINES):
        share = wanted // 2 + (wanted % 2 if at == 0 else 0)
        if not share:
            continue
        began = time.monotonic()
        with databases[engine]() as url:
            database = Database(url)
            tally = run_histories(database, shipped_policy(INSTANT_POLICY), count=share, seed_number=seed + at)
            database.dispose()
        assert tally.histories >= share
        events = ", ".join(f"{name} {number:,}" for name, number in sorted(tally.events.items()))
        _say(f"{engine}: {tally.histories:,} histories of the ledger, {tally.steps:,} steps, {_since(began)}: no cap "
             f"passed, every micro-USD accounted for ({events})")  # fmt: skip


def _kills(databases: dict[str, Databases], wanted: int, seed: int, folder: Path) -> None:
    """Rounds, each on the other engine than the one before, until so many runs were killed."""
    if not wanted:
        return
    reports: list[tuple[Round, Report]] = []
    kinds, engines = cycle(_KINDS), cycle(ENGINES)
    with arena_of(folder, seed, LARGE) as arena:
        arena.run_undisturbed(databases[ENGINES[0]])
        _say(f"undisturbed: {len(arena.expected.leads)} leads, {len(arena.expected.emails)} in the CRM")
        for number in count():
            left = wanted - sum(len(report.killed) for _, report in reports)
            if left <= 0:
                break
            kind, engine, began = next(kinds), next(engines), time.monotonic()
            what = Round(min(left, kind.kills), kind.is_hostile, kind.is_capped)
            report = arena.play(dice_of(seed, number), what, databases[engine])
            reports.append((what, report))
            _say(f"round {number} on {engine}: {_described(what, report)}, {_since(began)}")
    _sum_up(reports)


def _sum_up(reports: list[tuple[Round, Report]]) -> None:
    hostile = [report for what, report in reports if what.is_hostile and not what.is_capped]
    compared, leads = sum(each.compared for each in hostile), sum(each.leads for each in hostile)
    assert compared >= leads * _LEAST_COMPARED, f"only {compared} of {leads} leads could be compared"
    kills = [kill for _, report in reports for kill in report.killed]
    steps = ", ".join(f"{step} {number}" for step, number in _counted([kill.step or "by the clock" for kill in kills]))
    _say(f"{len(kills)} kills ({steps}) in {len(reports)} rounds: everything holds")


def _counted(names: list[str]) -> list[tuple[str, int]]:
    return [(name, names.count(name)) for name in sorted(set(names))]


def _described(what: Round, report: Report) -> str:
    vendors = "hostile" if what.is_hostile else "calm"
    caps = ", caps too low" if what.is_capped else ""
    return (
        f"{len(report.killed)} kills, {report.starts} runs, {report.stops} stopped, "
        f"vendors {vendors} ({report.hits} faults){caps}; "
        f"{report.compared} of {report.leads} leads untouched and equal, {report.unknown_micros:,} micro-USD unknown"
    )


def _factory(engine: str, folder: Path) -> Databases:
    numbers = count()
    make: Callable[[], Iterator[str]]

    def on_sqlite() -> Iterator[str]:
        yield _migrated(f"sqlite:///{folder / f'{next(numbers)}.db'}")

    def on_postgres() -> Iterator[str]:
        with new_database(postgres_of(folder)) as url:
            yield _migrated(url.render_as_string(hide_password=False))

    make = on_sqlite if engine == "sqlite" else on_postgres
    return contextmanager(make)


def _migrated(url: str) -> str:
    database = Database(url)
    schema.upgrade(database)
    database.dispose()
    return url


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="runs to kill, in whole batches")
    parser.add_argument("--histories", type=int, default=10_000, help="ledger histories to generate")
    parser.add_argument("--seed", type=int, help=f"of an earlier run; {SEED_VARIABLE} does the same for the tests")
    return parser.parse_args()


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
