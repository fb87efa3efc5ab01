"""Stored texts that are nobody's own row: filters, notes, lists, stray results; searched for people (spec 19.4)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select, update

from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.traces import ERASED, Traces, united
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import VendorJobRow
from socialanalyzer_dagster.storage.models_leads import FoundItemRow, ListRowRow
from socialanalyzer_dagster.storage.person_registry import By, TableRule, rules_of

_ITEMS = table_of(FoundItemRow)
_JOBS = table_of(VendorJobRow)
_ROWS = 1000


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


@dataclass(frozen=True, slots=True)
class _Searched:
    """Rows of one table, and what a row is to say when it names a person; empty when it does not."""

    rule: TableRule
    query: Select[*tuple[Any, ...]]
    changed: Callable[[Mapping[str, Any], Traces], Mapping[str, Any]]


def text_changes(connection: Connection, people: Sequence[Traces]) -> list[list[TextChange]]:
    """Every row with a text that names each of these people, in all tables that are searched, and stray search results.

    A row that names several says last what the last change says: the changes are written in the order of the people.
    """
    anybody = united(people)
    found: list[list[TextChange]] = [[] for _ in people]
    for table in _searched():
        for stored in connection.execute(table.query.execution_options(yield_per=_ROWS)).mappings():
            row = dict(stored)
            if not table.changed(row, anybody):
                continue
            for changes, traces in zip(found, people, strict=True):
                if changed := table.changed(row, traces):
                    changes.append(TextChange(table.rule, row, changed))
                    row = {**row, **changed}
    return found


def _searched() -> list[_Searched]:
    texts = [
        _Searched(
            rule,
            select(*rule.table.primary_key.columns, *(rule.table.c[name] for name in rule.texts)),
            partial(_scrubbed, rule),
        )
        for rule in rules_of(By.TEXT)
    ]
    return [*texts, _search_requests(), _stray_items()]


def _search_requests() -> _Searched:
    """What vendors were asked for by searches, which are made for no lead."""
    rule = next(each for each in rules_of(By.CALL) if each.model is VendorJobRow)
    query = select(_JOBS.c.attempt_key, _JOBS.c.request).where(_JOBS.c.stage == Stage.DISCOVERED)

    def changed(row: Mapping[str, Any], traces: Traces) -> Mapping[str, Any]:
        request = traces.without_prose(row["request"])
        return {"request": request} if request != row["request"] else {}

    return _Searched(rule, query, changed)


def _stray_items() -> _Searched:
    """Raw search results about people that became no lead, such as those above the batch's maximum."""
    rule = next(each for each in rules_of(By.LEAD) if each.model is FoundItemRow)
    holds = or_(_ITEMS.c.raw.is_not(None), _ITEMS.c.problem.is_not(None))
    columns = (_ITEMS.c.batch_id, _ITEMS.c.item_no, _ITEMS.c.raw, _ITEMS.c.problem)

    def changed(row: Mapping[str, Any], traces: Traces) -> Mapping[str, Any]:
        is_named = traces.are_in_data(row["raw"]) or traces.are_in_prose(row["problem"] or "")
        return rule.blanks if is_named else {}

    return _Searched(rule, select(*columns).where(_ITEMS.c.lead_uid.is_(None), holds), changed)


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
