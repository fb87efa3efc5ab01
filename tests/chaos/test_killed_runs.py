"""Five kills of runs at random instants, with calm and with hostile vendors; `make chaos` does fifty on both engines.

I-19, I-20, I-22, I-25, I-29, I-34, I-50 and spec 22, all at once and in several processes.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.installation import Size
from tests.chaos.rounds import Report, Round, arena_of, dice_of
from tests.chaos.seeds import drawn_seed

KILLS = 5
SMALL = Size({"instagram": 3, "patreon": 5, "facebook": 6})
ROUNDS = (Round(2), Round(3, is_hostile=True))
SPARE = Round(1, is_hostile=True)
_MOST_ROUNDS = 5


@pytest.mark.xdist_group("kills")  # one server of warm processes
def test_killed_runs_end_like_undisturbed_ones_and_pay_for_nothing_twice(sqlite_template: Path, tmp_path: Path) -> None:
    @contextmanager
    def databases() -> Iterator[str]:
        path = tmp_path / f"{len(list(tmp_path.glob('*.db')))}.db"
        shutil.copyfile(sqlite_template, path)
        yield f"sqlite:///{path}"

    seed, reports = drawn_seed(), list[Report]()
    with arena_of(tmp_path, seed, SMALL) as arena:
        arena.run_undisturbed(databases)
        for number in range(_MOST_ROUNDS):
            if sum(len(report.killed) for report in reports) >= KILLS:
                break
            what = ROUNDS[number] if number < len(ROUNDS) else SPARE
            reports.append(arena.play(dice_of(seed, number), what, databases))
    assert sum(len(report.killed) for report in reports) >= KILLS
    assert reports[0].compared == reports[0].leads
    assert reports[1].hits
