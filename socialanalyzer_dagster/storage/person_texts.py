"""Stored texts that are nobody's own row: filters, notes, lists, stray results; searched for one person (spec 19.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, or_, select, update

from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.traces import ERASED, Traces
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import VendorJobRow
from socialanalyzer_dagster.storage.models_leads import FoundItemRow, ListRowRow
from socialanalyzer_dagster.storage.person_registry import By, TableRule, rules_of

_ITEMS = table_of(FoundItemRow)
_JOBS = table_of(VendorJobRow)


@dataclass(frozen=True, slots=True)
class TextChange:
    """One row that names the person: where it is, what it says, and what it is to say."""

    rule: TableRule
    row: Mapping[str, Any]
    changed: Mapping[str, Any]

    def apply(self, connection: Connection) -> None:
        """Write what it is to say."""
        own = and_(*(column == self.row[column.name] for column in self.rule.table.primary_key.columns))
        connection.execute(update(self.rule.table).where(own).values(**self.changed))


def text_changes(connection: Connection, traces: Traces) -> list[TextChange]:
    """Every row with a text that names the person, in all tables that are searched, and stray search results."""
    found: list[TextChange] = []
    for rule in rules_of(By.TEXT):
        columns = [*rule.table.primary_key.columns, *(rule.table.c[name] for name in rule.texts)]
        rows = [dict(row) for row in connection.execute(select(*columns)).mappings()]
        found += [TextChange(rule, row, changed) for row in rows if (changed := _scrubbed(rule, row, traces))]
    return found + _search_requests(connection, traces) + _stray_items(connection, traces)


def _search_requests(connection: Connection, traces: Traces) -> list[TextChange]:
    """What vendors were asked for by searches, which are made for no lead."""
    rule = next(each for each in rules_of(By.CALL) if each.model is VendorJobRow)
    query = select(_JOBS.c.attempt_key, _JOBS.c.request).where(_JOBS.c.stage == Stage.DISCOVERED)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    after = [(row, traces.without_prose(row["request"])) for row in rows]
    return [TextChange(rule, row, {"request": request}) for row, request in after if request != row["request"]]


def _stray_items(connection: Connection, traces: Traces) -> list[TextChange]:
    """Raw search results about the person that became no lead, such as those above the batch's maximum."""
    rule = next(each for each in rules_of(By.LEAD) if each.model is FoundItemRow)
    holds = or_(_ITEMS.c.raw.is_not(None), _ITEMS.c.problem.is_not(None))
    columns = (_ITEMS.c.batch_id, _ITEMS.c.item_no, _ITEMS.c.raw, _ITEMS.c.problem)
    rows = connection.execute(select(*columns).where(_ITEMS.c.lead_uid.is_(None), holds)).mappings()
    return [
        TextChange(rule, dict(row), rule.blanks)
        for row in rows
        if traces.are_in_data(row["raw"]) or traces.are_in_prose(row["problem"] or "")
    ]


def apply_changes(connection: Connection, changes: Sequence[TextChange]) -> None:
    """Write `[erased]` in place of what names the person; list rows and stray results go as a whole."""
    for change in changes:
        change.apply(connection)


def _scrubbed(rule: TableRule, row: Mapping[str, Any], traces: Traces) -> dict[str, Any]:
    if rule.model is ListRowRow:
        return {"row": erased_list_row(row["line"])} if traces.are_in_data(row["row"]) else {}
    after = {name: traces.without_prose(row[name]) for name in rule.texts}
    return {name: value for name, value in after.items() if value != row[name]}


def erased_list_row(line: int) -> dict[str, Any]:
    """What stands in a stored list in place of a person: counted as suppressed when the list is run again."""
    return {"line": line, "result": ItemResult.SUPPRESSED.value, "reason": ERASED}
