"""Stored texts that are nobody's own row: vendor answers, job pages, filters, notes; searched for one person (19.4)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, cast, delete, or_, select, update
from sqlalchemy import Text as TextType

from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.traces import ERASED, Traces
from socialanalyzer_dagster.storage.attempts import packed, unpacked, unpacked_text
from socialanalyzer_dagster.storage.batches import TERMINAL
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import (
    ProviderAnswerRow,
    ProviderAttemptRow,
    VendorJobPageRow,
    VendorJobRow,
)
from socialanalyzer_dagster.storage.models_leads import BatchStageRow, FoundItemRow, LeadBatchRow, ListRowRow
from socialanalyzer_dagster.storage.person_registry import By, TableRule, rules_of
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase

PART = 200
_ANSWERS = table_of(ProviderAnswerRow)
_ATTEMPTS = table_of(ProviderAttemptRow)
_JOBS = table_of(VendorJobRow)
_PAGES = table_of(VendorJobPageRow)
_ITEMS = table_of(FoundItemRow)
_AT_REST = (*TERMINAL, "awaiting_approval")
"""Statuses in which no stage may ask for a stored answer; a batch that waits for a decision has left its stages."""


def _names(column: Any, leads: Sequence[str]) -> ColumnElement[bool]:  # noqa: ANN401 - a JSON column
    return or_(*(cast(column, TextType).contains(lead, autoescape=True) for lead in leads))


def _resting(batch_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    inside: ColumnElement[bool] = batch_id.in_(select(LeadBatchRow.batch_id).where(LeadBatchRow.status.in_(_AT_REST)))
    return inside


def answers_of(connection: Connection, leads: Sequence[str]) -> list[dict[str, Any]]:
    """Operation, time and body of every stored answer to a call made for these leads."""
    rows = connection.execute(
        select(_ATTEMPTS.c.operation, _ANSWERS.c.answered_at, _ANSWERS.c.body)
        .join_from(_ANSWERS, _ATTEMPTS, _ATTEMPTS.c.attempt_key == _ANSWERS.c.attempt_key)
        .where(_names(_ATTEMPTS.c.leads, leads))
        .order_by(_ANSWERS.c.answered_at, _ANSWERS.c.attempt_key)
    )
    return [{"operation": row.operation, "answered_at": row.answered_at, "body": unpacked(row.body)} for row in rows]


def items_about(connection: Connection, traces: Traces) -> list[dict[str, Any]]:
    """Operation and item of everything in stored job pages that is about the person."""
    found: list[dict[str, Any]] = []
    for keys in _pages_about(connection, traces):
        rows = connection.execute(
            select(_JOBS.c.operation, _PAGES.c.body)
            .join_from(_PAGES, _JOBS, _JOBS.c.attempt_key == _PAGES.c.attempt_key)
            .where(_page_is(*keys))
        )
        for row in rows:
            about = (each for each in unpacked(row.body) or () if traces.are_in_data(each))  # type: ignore[union-attr]
            found += [{"operation": row.operation, "item": each} for each in about]
    return found


def drop_calls(connection: Connection, leads: Sequence[str]) -> Counter[str]:
    """Remove answers to calls made for these leads, and the pages of their jobs, in batches at rest.

    An answer for one lead alone goes at once: the gate never gives it again. What others of a working batch still need
    stays until that batch rests; `calls_left` counts it.
    """
    mine = _names(_ATTEMPTS.c.leads, leads)
    alone = or_(*(cast(_ATTEMPTS.c.leads, TextType) == f'["{lead}"]' for lead in leads))
    keys = select(_ATTEMPTS.c.attempt_key).where(mine, or_(alone, _resting(_ATTEMPTS.c.batch_id)))
    done: Counter[str] = Counter()
    done[_ANSWERS.name] = connection.execute(delete(_ANSWERS).where(_ANSWERS.c.attempt_key.in_(keys))).rowcount
    jobs = connection.execute(
        select(_JOBS.c.attempt_key).where(
            _names(_JOBS.c.leads, leads), _JOBS.c.state != JobPhase.EXPIRED, _resting(_JOBS.c.batch_id)
        )
    )
    return done + expire_jobs(connection, list(jobs.scalars()))


def expire_jobs(connection: Connection, attempt_keys: Sequence[str]) -> Counter[str]:
    """Remove pages and requests of jobs, and say so on the job: it is never taken for one without items."""
    done: Counter[str] = Counter()
    if attempt_keys:
        pages = delete(_PAGES).where(_PAGES.c.attempt_key.in_(attempt_keys))
        done[_PAGES.name] = connection.execute(pages).rowcount
        jobs = update(_JOBS).where(_JOBS.c.attempt_key.in_(attempt_keys))
        done[_JOBS.name] = connection.execute(jobs.values(state=JobPhase.EXPIRED.value, request={})).rowcount
    return done


def calls_left(connection: Connection, leads: Sequence[str]) -> int:
    """Answers and jobs for these leads that a working batch still holds."""
    if not leads:
        return 0
    answers = select(_ANSWERS.c.attempt_key).join(_ATTEMPTS, _ATTEMPTS.c.attempt_key == _ANSWERS.c.attempt_key)
    jobs = select(_JOBS.c.attempt_key).where(_names(_JOBS.c.leads, leads), _JOBS.c.state != JobPhase.EXPIRED)
    return len(connection.execute(answers.where(_names(_ATTEMPTS.c.leads, leads))).all()) + len(
        connection.execute(jobs).all()
    )


def answers_about(connection: Connection, traces: Traces) -> list[str]:
    """Keys of stored answers, whoever they were given for, that name the person; read a few at a time."""
    found: list[str] = []
    for rows in _in_parts(connection, (_ANSWERS.c.attempt_key,), _ANSWERS.c.body):
        found += [row.attempt_key for row in rows if traces.are_in_json_text(unpacked_text(row.body))]
    return found


def drop_answers(connection: Connection, attempt_keys: Sequence[str]) -> int:
    """Remove answers that name a person, in batches at rest."""
    resting = select(_ATTEMPTS.c.attempt_key).where(_resting(_ATTEMPTS.c.batch_id))
    gone = delete(_ANSWERS).where(_ANSWERS.c.attempt_key.in_(attempt_keys), _ANSWERS.c.attempt_key.in_(resting))
    return connection.execute(gone).rowcount


def blank_items(connection: Connection, traces: Traces, *, batch_id: str | None = None) -> int:
    """Empty the items about a person in stored pages of finished searches, of one batch or all; returns how many.

    The others keep their places.
    """
    done = 0
    for key in _pages_about(connection, traces, batch_id=batch_id):
        body = connection.execute(select(_PAGES.c.body).where(_page_is(*key))).scalar_one()
        items, hits = traces.without_items(unpacked(body) or ())  # type: ignore[arg-type]
        connection.execute(update(_PAGES).where(_page_is(*key)).values(body=packed(items)))
        done += hits
    return done


def _page_is(attempt_key: str, offset: int) -> ColumnElement[bool]:
    return and_(_PAGES.c.attempt_key == attempt_key, _PAGES.c.offset == offset)


def _pages_about(connection: Connection, traces: Traces, *, batch_id: str | None = None) -> list[tuple[str, int]]:
    ended = select(BatchStageRow.batch_id).where(
        BatchStageRow.stage == "discovered", BatchStageRow.finished_at.is_not(None)
    )
    if batch_id is not None:
        ended = ended.where(BatchStageRow.batch_id == batch_id)
    within = _PAGES.c.attempt_key.in_(select(_JOBS.c.attempt_key).where(_JOBS.c.batch_id.in_(ended)))
    found: list[tuple[str, int]] = []
    for rows in _in_parts(connection, (_PAGES.c.attempt_key, _PAGES.c.offset), _PAGES.c.body, within):
        found += [(row.attempt_key, row.offset) for row in rows if traces.are_in_json_text(unpacked_text(row.body))]
    return found


def _in_parts(
    connection: Connection,
    order: tuple[Any, ...],
    body: ColumnElement[bytes],
    within: ColumnElement[bool] | None = None,
) -> Iterator[Sequence[Any]]:
    """All rows (keys, body), a few at a time, in the order of their keys."""
    query = select(*order, body).order_by(*order).limit(PART)
    query = query.where(within) if within is not None else query
    rows = connection.execute(query).all()
    while rows:
        yield rows
        last = rows[-1]
        later = _after(order, [getattr(last, column.name) for column in order])
        rows = connection.execute(query.where(later)).all() if len(rows) == PART else []


def _after(order: tuple[Any, ...], last: Sequence[Any]) -> ColumnElement[bool]:
    first, *rest = order
    if not rest:
        return first > last[0]  # type: ignore[no-any-return]
    return or_(first > last[0], and_(first == last[0], _after(tuple(rest), last[1:])))


def blank_stray_items(connection: Connection, traces: Traces) -> int:
    """Empty raw search results about the person that became no lead, such as those above the batch's maximum."""
    rows = connection.execute(
        select(_ITEMS.c.batch_id, _ITEMS.c.item_no, _ITEMS.c.raw, _ITEMS.c.problem).where(
            _ITEMS.c.lead_uid.is_(None), or_(_ITEMS.c.raw.is_not(None), _ITEMS.c.problem.is_not(None))
        )
    )
    hits = [row for row in rows if traces.are_in_data(row.raw) or traces.are_in_prose(row.problem or "")]
    for row in hits:
        own = and_(_ITEMS.c.batch_id == row.batch_id, _ITEMS.c.item_no == row.item_no)
        connection.execute(update(_ITEMS).where(own).values(raw=None, problem=None))
    return len(hits)


def texts_about(connection: Connection, traces: Traces) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows with texts that name the person."""
    found: dict[str, list[dict[str, Any]]] = {}
    for rule in rules_of(By.TEXT):
        columns = [*rule.table.primary_key.columns, *(rule.table.c[name] for name in rule.texts)]
        rows = connection.execute(select(*columns)).mappings()
        found[rule.table.name] = [dict(row) for row in rows if _scrubbed(rule, row, traces)]
    return found


def scrub_texts(connection: Connection, traces: Traces) -> Counter[str]:
    """Write `[erased]` in place of texts that name the person: filters, notes, reasons; list rows go as a whole."""
    done: Counter[str] = Counter()
    for rule in rules_of(By.TEXT):
        done[rule.table.name] = _scrub_table(connection, rule, traces)
    return done


def _scrub_table(connection: Connection, rule: TableRule, traces: Traces) -> int:
    table, keys = rule.table, list(rule.table.primary_key.columns)
    hits = 0
    for row in connection.execute(select(*keys, *(table.c[name] for name in rule.texts))).mappings().all():
        changed = _scrubbed(rule, row, traces)
        if changed:
            own = and_(*(column == row[column.name] for column in keys))
            connection.execute(update(table).where(own).values(**changed))
            hits += 1
    return hits


def _scrubbed(rule: TableRule, row: Any, traces: Traces) -> dict[str, Any]:  # noqa: ANN401 - a row
    if rule.model is ListRowRow:
        return {"row": erased_list_row(row["line"])} if traces.are_in_data(row["row"]) else {}
    after = {name: traces.without_prose(row[name]) for name in rule.texts}
    return {name: value for name, value in after.items() if value != row[name]}


def erased_list_row(line: int) -> dict[str, Any]:
    """What stands in a stored list in place of a person: counted as suppressed when the list is run again."""
    return {"line": line, "result": ItemResult.SUPPRESSED.value, "reason": ERASED}
