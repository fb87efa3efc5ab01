"""Leads as a table: documented columns, no run ids or wall times, safe to open in a spreadsheet."""

import csv
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

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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
    """The cell, or the cell as text where a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA_STARTS) else cell


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
