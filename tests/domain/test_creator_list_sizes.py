"""Long lists are read one row at a time: what is held in memory does not grow with the file."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from socialanalyzer_dagster.domain.creator_list_files import read_list
from socialanalyzer_dagster.domain.creator_lists import ListRow
from socialanalyzer_dagster.domain.list_columns import ListRefused

MEGABYTE = 1_000_000
ROWS = 5_000
ABOUT = "Podcasts about travel, trains and long walks; new every week, with a map for members. " * 40


def csv_file(file: Path, rows: int) -> None:
    with file.open("w", encoding="utf-8") as out:
        out.write("Creator,Page,Patrons,About\n")
        out.writelines(f'"Walker {n}",https://www.patreon.com/walker{n},{n},"{ABOUT}"\n' for n in range(rows))


def json_file(file: Path, rows: int) -> None:
    with file.open("w", encoding="utf-8") as out:
        out.write("[")
        for n in range(rows):
            row = {"url": f"https://www.patreon.com/walker{n}", "patrons": n, "about": ABOUT}
            out.write(("," if n else "") + json.dumps(row))
        out.write("]")


def peak_bytes(file: Path) -> tuple[int, int]:
    """Usable rows, and the most that was held at once while they were read."""
    tracemalloc.start()
    try:
        rows = sum(isinstance(row, ListRow) for row in read_list(file))
        return rows, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "write"), [("list.csv", csv_file), ("list.json", json_file)])
def test_a_file_is_read_in_a_fraction_of_its_size(
    tmp_path: Path, name: str, write: Callable[[Path, int], None]
) -> None:
    write(tmp_path / name, ROWS)
    found, peak = peak_bytes(tmp_path / name)
    assert found == ROWS
    assert peak < (tmp_path / name).stat().st_size / 5


def test_two_hundred_megabytes_without_a_line_end_are_one_unusable_row(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    with file.open("wb") as out:
        out.write(b"url,about\nhttps://www.patreon.com/first,fine\nhttps://www.patreon.com/endless,")
        for _ in range(200):
            out.write(b"x" * MEGABYTE)
        out.write(b"\nhttps://www.patreon.com/last,fine\n")
    found, peak = peak_bytes(file)
    assert (found, peak < 50 * MEGABYTE) == (2, True)


def test_two_hundred_megabytes_of_nothing_are_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    with file.open("wb") as out:
        out.truncate(200 * MEGABYTE)
    tracemalloc.start()
    with pytest.raises(ListRefused):
        next(read_list(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * MEGABYTE
