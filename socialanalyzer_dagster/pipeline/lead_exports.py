"""Leads as a table: documented columns, no run ids or wall times, safe to open in a spreadsheet."""

import csv
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.scores import DIMENSIONS
from socialanalyzer_dagster.storage import lead_views

COLUMNS = (
    "lead_uid", "platform", "platform_id", "handle", "profile_url", "display_name", "audience_size", "audience_kind",
    "city", "region", "country", "stage", "result", "code", "email", "email_status", "phone", "first_name",
    *(kind.value for kind in LinkKind), "category", "base", "lead_score", "tier", *DIMENSIONS, "score_reasoning", "bdr",
)  # fmt: skip
"""Columns of `leads export`, in this order: what a lead is, how far it came, its contacts, its score, its BDR."""

_MARKS = "=+\\-@＝＋－＠−﹦﹢﹣﹫"
_FORMULA = re.compile(rf"[\s\ufeff\u200b-\u200f\u2060]*[{_MARKS}]|[\t\r\n]")
_LATER_FORMULA = re.compile(rf"(?<=[\s\S][;\t\r\n])(?=[^\S\t\r\n]*[\"']?[{_MARKS}])")
"""After what a spreadsheet of another country, or one that reads lines, takes for the end of a cell."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""They show nothing in a table and steer the terminal that prints one."""


def exported_leads(connection: Connection, *, batch_id: str | None = None) -> Iterator[dict[str, str]]:
    """Rows of COLUMNS as text, sorted by platform and id; an unknown value is empty."""
    contacts = lead_views.contact_values(connection, batch_id=batch_id)
    for row in lead_views.lead_rows(connection, batch_id=batch_id):
        facts = _facts(row, contacts.get(row.lead_uid, {}))
        yield {column: _cell(facts.get(column)) for column in COLUMNS}


def as_csv(rows: Iterator[dict[str, str]]) -> Iterator[str]:
    """Lines of RFC 4180 CSV with a header; cells that a spreadsheet would run as a formula start with an apostrophe."""
    buffer = StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({column: formula_safe(value) for column, value in row.items()})
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def formula_safe(cell: str) -> str:
    """The cell without control characters, an apostrophe before whatever a spreadsheet would take for a formula."""
    kept = _LATER_FORMULA.sub("'", _CONTROLS.sub("", cell))
    return f"'{kept}" if _FORMULA.match(kept) else kept


def _facts(row: Any, contacts: Mapping[str, str]) -> dict[str, object]:  # noqa: ANN401 - a database row
    score = row.score or {}
    record = {**row.record, **row.record.get("links", {})}
    return {
        **record,
        **contacts,
        "lead_uid": row.lead_uid,
        "stage": row.stage,
        "result": row.result,
        "code": row.code,
        "email_status": row.email_status,
        "category": score.get("inputs", {}).get("category"),
        "base": score.get("base"),
        "lead_score": score.get("lead_score"),
        "tier": score.get("tier"),
        **score.get("sections", {}),
        "score_reasoning": score.get("reasoning"),
        "bdr": row.bdr,
    }


def _cell(value: object) -> str:
    return "" if value is None else str(value)
