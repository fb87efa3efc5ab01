"""Creator lists from CSV, JSON and XLSX files as people have them (spec 5.11)."""

import csv
import io
import json
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain import list_csv
from socialanalyzer_dagster.domain.creator_list_files import ListFile, preview_list, read_list, summarise_list
from socialanalyzer_dagster.domain.creator_lists import CreatorList, ListRow, UnusableRow, summarise
from socialanalyzer_dagster.domain.list_columns import ListRefused, map_columns
from socialanalyzer_dagster.domain.outcomes import ItemResult

SHARED_LIST = Path(__file__).parents[3] / "shared" / "data" / "patreon_creators_1000.csv"
HEADER = "Creator,Page,Patrons,About\n"


@pytest.fixture
def written(tmp_path):
    def write(content, name="list.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def rows_of(path, chosen=None):
    return list(read_list(path, chosen))


def unchanged(row):
    return row


def refusal(path, chosen=None):
    with pytest.raises(ListRefused) as refused:
        rows_of(path, chosen)
    return str(refused.value)


def test_a_row_keeps_what_the_file_says(written):
    text = (
        HEADER.replace("About", "About,Makes")
        + 'Ada,https://www.patreon.com/18+,"36,866","Hi ""you""\nsee x",Podcasts\n'
    )
    (row,) = rows_of(written(text))
    assert row == ListRow(
        line=2,
        url="https://www.patreon.com/18+",
        name="Ada",
        audience_size=36_866,
        about='Hi "you"\nsee x',
        extra={"Makes": "Podcasts"},
    )


def test_rows_are_numbered_by_the_line_they_start_at(written):
    text = HEADER + '"A\nb",@one,1,\n\n,@two,2,"x\ny\nz"\nC,@three,3,\n'
    assert [(row.line, row.handle) for row in rows_of(written(text))] == [(2, "one"), (5, "two"), (8, "three")]


def test_spellings_of_nothing_are_unknown(written):
    cells = ["NaN", "null", "None", "-", "", "n/a"]
    text = HEADER + "".join(f"{cell},@ada{number},{cell},{cell}\n" for number, cell in enumerate(cells))
    for row in rows_of(written(text)):
        assert (row.name, row.audience_size, row.about, row.notes) == (None, None, None, ())


def test_an_unreadable_count_is_unknown_with_a_note_and_not_zero(written):
    many, ambiguous = rows_of(written(HEADER + "Ada,@ada,many,\nBo,@bo,1.204,\n"))
    assert (many.audience_size, many.notes) == (None, ("audience size: 'many' could not be read as a count",))
    assert (ambiguous.audience_size, ambiguous.notes) == (1204, ("audience size: '1.204' was read as 1204",))


def test_unusable_rows_are_reported_with_line_and_reason(written):
    text = HEADER + "Ada,,5,\nBo,two words,5,\nCy,javascript:alert(1),5,\nDi,@di,5,x,too,many\nEve,@eve,5,\n"
    unusable = [row for row in rows_of(written(text)) if isinstance(row, UnusableRow)]
    assert [(row.line, row.result.value) for row in unusable] == [
        (2, "no_identity"),
        (3, "malformed_item"),
        (4, "malformed_item"),
        (5, "malformed_item"),
    ]
    assert unusable[0].reason == "the row has no handle and no profile address"
    assert "two words" in unusable[1].reason
    assert "6 cells but the header names 4 columns" in unusable[3].reason


def test_short_rows_have_unknown_cells(written):
    (row,) = rows_of(written(HEADER + "Ada,@ada\n"))
    assert (row.audience_size, row.about) == (None, None)


def test_an_address_in_the_handle_column_and_a_handle_in_the_address_column_are_understood(written):
    first, second = rows_of(written("handle,url\nhttps://x.com/ada,\n,@bo.lind\n"))
    assert (first.url, first.handle) == ("https://x.com/ada", None)
    assert (second.url, second.handle) == (None, "bo.lind")


def test_contact_cells_are_checked(written):
    text = "handle,website,email\nada,adatrail.com/#x,ada@trail.com; b@c.io\nbo,javascript:x,call me\n"
    first, second = rows_of(written(text))
    assert (first.website, first.email) == ("https://adatrail.com", "ada@trail.com; b@c.io")
    assert (second.website, second.email) == (None, None)
    assert second.notes == ("website 'javascript:x' is no web address", "the e-mail cell holds no e-mail address")


def test_an_email_cell_that_is_too_long_for_addresses_is_left_out(written):
    (row,) = rows_of(written("handle,email\nada," + "a@b.co " * 300 + "\n"))
    assert (row.email, row.notes) == (None, ("the e-mail cell is longer than 2,000 characters",))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_separator_is_recognised(written, delimiter):
    text = delimiter.join(["Name", "Handle", "About"]) + "\n" + delimiter.join(["Ada", "ada", '"a, b; c"']) + "\n"
    (row,) = rows_of(written(text))
    assert (row.name, row.handle, row.about) == ("Ada", "ada", "a, b; c")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings_are_recognised(written, encoding):
    text = "Creator,Page,About\nZoë Müller,@zoe,“Café” – naïve\n"
    (row,) = rows_of(written(text, encoding=encoding))
    assert (row.name, row.about) == ("Zoë Müller", "“Café” – naïve")


def test_cyrillic_and_japanese_legacy_files_are_read(written):
    russian = "Name,Handle,About\nМария,masha,Путешествия с Машей и её друзьями по всему миру\n"
    assert rows_of(written(russian, encoding="cp1251"))[0].name == "Мария"
    japanese = "Name,Handle,About\n旅人,tabi,旅行の写真を撮ります。世界中を旅しています。\n"
    assert rows_of(written(japanese, encoding="shift_jis"))[0].name == "旅人"


def test_one_file_may_mix_encodings(written):
    text = "Name,Handle\n日本の旅,one\n".encode() + "Zoë,two\n".encode("cp1252")
    assert [row.name for row in rows_of(written(text))] == ["日本の旅", "Zoë"]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_read(written, ends):
    assert [row.handle for row in rows_of(written(ends.join(["handle", "ada", "bo", ""])))] == ["ada", "bo"]


def test_a_quote_that_is_never_closed_loses_one_row_only(written):
    text = HEADER + 'Ada,@ada,1,"never closed\n' + "".join(f"N{number},@n{number},5,\n" for number in range(20))
    rows = rows_of(written(text))
    assert isinstance(rows[0], UnusableRow)
    assert rows[0].line == 2
    assert "never closed" in rows[0].reason
    assert [(row.line, row.handle) for row in rows[1:]] == [(number + 3, f"n{number}") for number in range(20)]


def test_a_quote_before_a_huge_rest_loses_one_row_only(written):
    rest = "".join(f"N{number},@n{number},5,{'x' * 90}\n" for number in range(3000))
    rows = rows_of(written(HEADER + 'Ada,@ada,1,"never closed\n' + rest))
    assert [row.line for row in rows if isinstance(row, UnusableRow)] == [2]
    assert len(rows) == 3001


def test_a_list_without_header_is_read_by_its_addresses(written):
    assert [row.url for row in rows_of(written("https://x.com/ada\nhttps://x.com/bo\n"))] == [
        "https://x.com/ada",
        "https://x.com/bo",
    ]
    assert [row.handle for row in rows_of(written("@ada\n@bo\n"))] == ["ada", "bo"]


def test_the_preview_shows_the_use_of_every_column(written):
    preview = preview_list(written("Creator Name,Profile URL,Followers,Bio,E-Mail,Colour\nAda,@ada,5,,,red\n"))
    assert [(column.header, column.field) for column in preview.columns] == [
        ("Creator Name", "name"),
        ("Profile URL", "url"),
        ("Followers", "audience_size"),
        ("Bio", "about"),
        ("E-Mail", "email"),
        ("Colour", None),
    ]
    assert preview.rows[0].extra == {"Colour": "red"}


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("Page", "url"),
        ("profile_url", "url"),
        ("Instagram Handle", "handle"),
        ("USERNAME", "handle"),
        ("user_name", "handle"),
    ],
)
def test_identity_columns_are_recognised_by_name(header, field):
    assert map_columns([header])[0].field == field


def test_the_better_known_of_two_columns_is_taken():
    columns = map_columns(["Title", "Name", "handle", "YouTube Handle"])
    assert [column.field for column in columns] == [None, "name", "handle", None]


def test_columns_can_be_chosen(written):
    path = written("Who,Where\nAda,https://x.com/ada\n")
    assert "no column holds a handle" in refusal(path)
    (row,) = rows_of(path, {"url": "where", "name": "Who"})
    assert (row.name, row.url) == ("Ada", "https://x.com/ada")
    assert "no column 'What'" in refusal(path, {"url": "What"})
    assert "no field" in refusal(path, {"colour": "Who"})
    assert "two fields" in refusal(path, {"url": "Who", "name": "Who"})


def test_columns_of_one_name_are_refused(written):
    assert "several columns of one name" in refusal(written("Handle,handle,Name\nada,bo,x\n"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel"),
        (bytes(range(256)) * 20, "binary"),
        (b"PK\x03\x04 no archive", "no XLSX workbook"),
    ],
)
def test_files_that_are_no_lists_are_refused_clearly(written, content, words):
    assert words in refusal(written(content))


def test_a_missing_file_and_a_list_without_usable_rows_are_refused(tmp_path, written):
    assert "no file" in refusal(tmp_path / "none.csv")
    with pytest.raises(ListRefused, match="no row of the file can be used"):
        summarise_list("patreon", written(HEADER + "Ada,,5,\n"))
    with pytest.raises(ListRefused, match="none below the header"):
        summarise_list("patreon", written(HEADER))


ITEMS = [{"username": "ada", "followers": "1.2K", "bio": None}, {"username": "@bo", "followers": 7, "tags": ["a", "b"]}]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ITEMS),
        json.dumps(ITEMS, indent=2),
        "\n".join(map(json.dumps, ITEMS)),
        json.dumps({"creators": ITEMS, "total": 2}),
        "\ufeff" + json.dumps(ITEMS),
    ],
)
@pytest.mark.parametrize("name", ["list.json", "list.txt"])
def test_json_lists_are_read_in_every_usual_form(written, content, name):
    first, second = rows_of(written(content, name))
    assert (first.line, first.handle, first.audience_size, first.about) == (1, "ada", 1200, None)
    assert (second.line, second.handle, second.audience_size, second.extra) == (2, "bo", 7, {"tags": "a, b"})


def test_a_json_list_of_handles_and_addresses_is_read(written):
    rows = rows_of(written('["@ada", "https://x.com/bo", 5, ["x"]]', "list.json"))
    assert [getattr(row, "handle", None) for row in rows] == ["ada", None, None, None]
    assert rows[1].url == "https://x.com/bo"
    assert [row.result.value for row in rows[2:]] == ["malformed_item", "malformed_item"]


def test_json_problems_are_reported_by_item(written):
    lines = '{"handle": "ada"}\n{"handle": "bo"\n{"handle": "cy", "handle": "di"}\n{"handle": NaN}\n'
    rows = rows_of(written(lines, "list.jsonl"))
    assert [(row.line, getattr(row, "reason", None)) for row in rows] == [
        (1, None),
        (2, "the line is no JSON"),
        (3, "the item names 'handle' twice"),
        (4, "the row has no handle and no profile address"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[{"handle": "ada"},', "item 2 of the JSON is broken"),
        ('[{"handle": "ada"} {"handle": "bo"}]', "broken after item 1"),
        ("[]", "empty"),
        ("{}", "holds neither"),
        ('{"a": [1], "b": [2]}', "2 lists"),
        ("hello", "must start with"),
        ('{"handle": ', "no JSON"),
        ("[" * 200_000, "too deep"),
    ],
)
def test_broken_json_is_refused(written, content, words):
    assert words in refusal(written(content, "list.json"))


def test_an_object_around_a_list_is_read_as_a_stream_and_needs_exactly_one_list(written):
    rest = ", ".join(json.dumps({"handle": f"n{number}"}) for number in range(3000))
    path = written('{"source": {"tags": ["x"]}, "creators": [' + rest + '], "total": 3000}', "list.json")
    assert [row.handle for row in rows_of(path)] == [f"n{number}" for number in range(3000)]
    later = written('{"creators": [' + rest + '], "more": ["ada"]}', "two.json")
    assert "2 lists" in refusal(later)
    assert "names 'a' twice" in refusal(written('{"a": ["ada"], "a": 1}', "twice.json"))
    assert "holds no list" in refusal(written('{"a":\n 1}', "none.json"))
    assert "broken after the field 'a'" in refusal(written('{"a": ["ada"] "b": 1}', "broken.json"))


def test_a_line_that_is_too_long_to_be_held_loses_one_row_only(written, monkeypatch):
    monkeypatch.setattr(list_csv, "MAX_LINE_CHARS", 100)
    text = HEADER + f"Ada,@ada,1,{'x' * 500}\nBo,@bo,2,\n" + 'Cy,@cy,3,"two\n' + "y" * 300 + "\nDi,@di,4,\n"
    rows = rows_of(written(text))
    assert [(row.line, getattr(row, "handle", None)) for row in rows] == [(2, None), (3, "bo"), (4, None), (6, "di")]
    assert "more than 100 characters" in rows[0].reason
    assert "more than 100 characters" in refusal(written("x" * 300))


def test_the_unusable_rows_of_a_long_list_are_counted_and_the_first_are_kept(written):
    summary = summarise_list("patreon", written(HEADER + "Ada,@ada,5,\n" + "Bo,,5,\n" * 250))
    assert (summary.usable, summary.unusable, len(summary.examples)) == (1, 250, 100)
    assert [row.line for row in summary.examples] == list(range(3, 103))


def test_a_list_that_is_changed_between_two_readings_is_refused(written):
    path = written(HEADER + "Ada,@ada,5,\n")
    listed = CreatorList(ListFile(path))
    first = listed.summary("patreon", unchanged)
    assert [row.handle for row in listed.checked_rows("patreon", unchanged)] == ["ada"]
    path.write_text(HEADER + "Bo,@bo,5,\n", encoding="utf-8")
    assert listed.summary("patreon", unchanged) is first, "a list is summarised once"
    with pytest.raises(ListRefused, match="changed while it was read"):
        list(listed.checked_rows("patreon", unchanged))


def test_the_spelling_of_a_list_does_not_depend_on_what_the_platform_can_use(written):
    def none(row):
        return UnusableRow(line=row.line, result=ItemResult.NO_IDENTITY, reason="nobody")

    path = written(HEADER + "Ada,@ada,5,\n")
    some, nobody = CreatorList(ListFile(path)), CreatorList(ListFile(path))
    assert some.summary("patreon", unchanged).fingerprint != nobody.summary("patreon", none).fingerprint
    assert some.spelling == nobody.spelling == CreatorList(ListFile(path)).spelling


def test_json_items_across_read_boundaries_are_whole(written):
    items = [{"handle": f"creator{number}", "about": "x" * (number % 700)} for number in range(2000)]
    rows = rows_of(written(json.dumps(items), "list.json"))
    assert [(row.handle, len(row.about or "")) for row in rows] == [
        (item["handle"], len(item["about"])) for item in items
    ]


def workbook(*rows, sheets_before=0):
    book = openpyxl.Workbook()
    for _ in range(sheets_before):
        book.create_sheet(index=0)
    for row in rows:
        book.worksheets[sheets_before].append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def test_workbooks_are_read(written):
    content = workbook(
        ["Creator", "Page", "Patrons"],
        ["Ada", "@ada", 36866.0],
        [],
        ["Bo", "https://x.com/bo", "1.2K"],
        [None, None, 5],
    )
    rows = rows_of(written(content, "list.xlsx"))
    assert [(row.line, getattr(row, "audience_size", None)) for row in rows] == [(2, 36_866), (4, 1200), (5, None)]
    assert rows[0].handle == "ada"
    assert isinstance(rows[2], UnusableRow)


def test_the_first_sheet_with_content_counts_whatever_the_file_is_called(written):
    rows = rows_of(written(workbook(["handle"], ["ada"], sheets_before=2), "list.csv"))
    assert [row.handle for row in rows] == ["ada"]


def test_archives_without_a_workbook_and_empty_workbooks_are_refused(written):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "x")
    assert "no XLSX workbook" in refusal(written(stream.getvalue(), "list.xlsx"))
    assert "empty" in refusal(written(workbook(), "list.xlsx"))


def test_the_fingerprint_is_that_of_the_rows_not_of_the_file(written):
    as_csv = summarise_list("patreon", written("handle,followers\nada,1.2K\nbo,\n"))
    other_csv = summarise_list("patreon", written("Followers;Colour;Username\r\n1200;red;@ada\r\nNaN;;bo\r\n", "b.csv"))
    as_json = summarise_list("patreon", written('[{"handle": "ada", "size": 1200}, "bo"]', "c.json"))
    assert as_csv.fingerprint == other_csv.fingerprint == as_json.fingerprint
    assert as_csv.fingerprint.startswith("fp1:")
    assert (as_csv.usable, as_csv.unusable, as_csv.examples) == (2, 0, ())
    assert as_csv.fingerprint == "fp1:65cd4b11b9b649ed1e5e7b82fdb0894d54bc194869a6b743237e9dc2aece67a2", "for good"
    assert summarise_list("facebook", written("handle,followers\nada,1.2K\nbo,\n")).fingerprint != as_csv.fingerprint


CELLS = st.text(st.characters(codec="utf-8"), max_size=40)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=8))
def test_any_cells_make_rows_or_reasons(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("lists") / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["name", "handle", "followers", "about"], *cells])
    try:
        rows = list(read_list(path))
    except ListRefused as refused:
        assert "empty" in str(refused) or "binary" in str(refused)  # noqa: PT017 - both ends are fine
        return
    assert len(rows) <= len(cells)
    assert len({row.line for row in rows}) == len(rows)
    summarise("patreon", rows)


@given(st.binary(max_size=400))
def test_any_bytes_are_rows_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("lists") / "any"
    path.write_bytes(content)
    try:
        list(read_list(path))
    except ListRefused as refused:
        assert str(refused)  # noqa: PT017 - both ends are fine


@pytest.mark.skipif(not SHARED_LIST.exists(), reason="the real list is kept outside the repository")
def test_a_real_list_of_a_thousand_creators_is_read_whole():
    summary = summarise_list("patreon", SHARED_LIST)
    assert (summary.usable, summary.unusable) == (991, 9)
    assert {row.result.value for row in summary.examples} == {"no_identity"}
    rows = [row for row in rows_of(SHARED_LIST) if isinstance(row, ListRow)]
    assert sum(row.about is not None for row in rows) >= 340
    assert all(row.audience_size is not None and not row.notes for row in rows)
