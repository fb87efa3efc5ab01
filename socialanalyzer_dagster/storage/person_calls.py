"""Stored answers and job pages, searched for one person and emptied of them (spec 19.4).

Looking is long and reads; removing is short and writes: the two are apart, so that no batch waits for a search.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, cast, delete, or_, select, update
from sqlalchemy import Text as TextType

from socialanalyzer_dagster.domain.traces import Traces
from socialanalyzer_dagster.domain.types import JsonValue, Stage
from socialanalyzer_dagster.storage.attempts import packed, unpacked, unpacked_text
from socialanalyzer_dagster.storage.batches_at_work import is_at_rest, is_searched
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import (
    ProviderAnswerRow,
    ProviderAttemptRow,
    VendorJobPageRow,
    VendorJobRow,
)
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase

PART = 200
_ANSWERS = table_of(ProviderAnswerRow)
_ATTEMPTS = table_of(ProviderAttemptRow)
_JOBS = table_of(VendorJobRow)
_PAGES = table_of(VendorJobPageRow)

_PAGE = (_PAGES.c.attempt_key, _PAGES.c.offset)
PageKey = tuple[str, int]
"""Attempt key and offset."""


def _names(column: Any, leads: Sequence[str]) -> ColumnElement[bool]:  # noqa: ANN401 - a JSON column
    return or_(*(cast(column, TextType).contains(lead, autoescape=True) for lead in leads))


@dataclass(frozen=True, slots=True)
class CallKeys:
    """Keys of stored answers, and of jobs that still have pages or a request."""

    answers: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when there is nothing."""
        return not self.answers and not self.jobs


def calls_of(connection: Connection, leads: Sequence[str], *, at_rest: bool) -> CallKeys:
    """What is stored of calls made for these leads.

    With `at_rest` only what may go now: everything in batches at rest, and answers for one lead alone, which the gate
    never gives again. Answers that others of a working batch share have to wait for it.
    """
    if not leads:
        return CallKeys()
    mine = [_names(_ATTEMPTS.c.leads, leads)]
    jobs = [_names(_JOBS.c.leads, leads), _JOBS.c.state != JobPhase.EXPIRED]
    if at_rest:
        alone = (cast(_ATTEMPTS.c.leads, TextType) == f'["{lead}"]' for lead in leads)
        mine.append(or_(*alone, is_at_rest(_ATTEMPTS.c.batch_id)))
        jobs.append(is_at_rest(_JOBS.c.batch_id))
    answers = select(_ANSWERS.c.attempt_key).join(_ATTEMPTS, _ATTEMPTS.c.attempt_key == _ANSWERS.c.attempt_key)
    return CallKeys(
        answers=tuple(connection.execute(answers.where(*mine)).scalars()),
        jobs=tuple(connection.execute(select(_JOBS.c.attempt_key).where(*jobs)).scalars()),
    )


def drop_calls(connection: Connection, keys: CallKeys) -> Counter[str]:
    """Remove these answers, pages and requests; returns rows by table."""
    return Counter({_ANSWERS.name: drop_answers(connection, keys.answers)}) + expire_jobs(connection, keys.jobs)


def drop_answers(connection: Connection, attempt_keys: Sequence[str]) -> int:
    """Remove answers; returns how many there were."""
    if not attempt_keys:
        return 0
    return connection.execute(delete(_ANSWERS).where(_ANSWERS.c.attempt_key.in_(attempt_keys))).rowcount


def expire_jobs(connection: Connection, attempt_keys: Sequence[str]) -> Counter[str]:
    """Remove pages and requests of jobs, and say so on the job: it is never taken for one without items."""
    done: Counter[str] = Counter()
    if attempt_keys:
        pages = delete(_PAGES).where(_PAGES.c.attempt_key.in_(attempt_keys))
        done[_PAGES.name] = connection.execute(pages).rowcount
        jobs = update(_JOBS).where(_JOBS.c.attempt_key.in_(attempt_keys))
        done[_JOBS.name] = connection.execute(jobs.values(state=JobPhase.EXPIRED.value, request={})).rowcount
    return done


def answers_of(connection: Connection, leads: Sequence[str]) -> list[dict[str, Any]]:
    """Operation, time and body of every stored answer to a call made for these leads."""
    rows = connection.execute(
        select(_ATTEMPTS.c.operation, _ANSWERS.c.answered_at, _ANSWERS.c.body)
        .join_from(_ANSWERS, _ATTEMPTS, _ATTEMPTS.c.attempt_key == _ANSWERS.c.attempt_key)
        .where(_names(_ATTEMPTS.c.leads, leads))
        .order_by(_ANSWERS.c.answered_at, _ANSWERS.c.attempt_key)
    )
    return [{"operation": row.operation, "answered_at": row.answered_at, "body": unpacked(row.body)} for row in rows]


def answers_about(connection: Connection, traces: Traces) -> list[str]:
    """Keys of stored answers of batches at rest, whoever they were given for, that name the person."""
    keys = select(_ATTEMPTS.c.attempt_key).where(is_at_rest(_ATTEMPTS.c.batch_id))
    within = _ANSWERS.c.attempt_key.in_(keys)
    found: list[str] = []
    for rows in _in_parts(connection, (_ANSWERS.c.attempt_key,), _ANSWERS.c.body, within):
        found += [row.attempt_key for row in rows if traces.are_in_json_text(unpacked_text(row.body))]
    return found


_IS_READ = or_(and_(_JOBS.c.stage == Stage.DISCOVERED, is_searched(_JOBS.c.batch_id)), is_at_rest(_JOBS.c.batch_id))
"""No stage reads the pages of the job again: its search has ended, or its batch is at rest."""


def pages_about(connection: Connection, traces: Traces) -> list[PageKey]:
    """Stored pages that name the person, of searches that have ended and of batches at rest.

    A page that a stage may still read is left as it is: an emptied item would look like one that was not found.
    """
    return _pages_of(connection, traces, select(_JOBS.c.attempt_key).where(_IS_READ))


def search_pages_about(connection: Connection, traces: Traces, batch_id: str) -> list[PageKey]:
    """Pages of one batch's search that name the person; for a search all of whose items are decided."""
    jobs = select(_JOBS.c.attempt_key).where(_JOBS.c.batch_id == batch_id, _JOBS.c.stage == Stage.DISCOVERED)
    return _pages_of(connection, traces, jobs)


def searches_about(connection: Connection, traces: Traces) -> list[str]:
    """Batches that are half-way through a search whose stored pages name the person."""
    jobs = select(_JOBS.c.attempt_key).where(_JOBS.c.stage == Stage.DISCOVERED, ~_IS_READ)
    keys = {key for key, _ in _pages_of(connection, traces, jobs)}
    found = select(_JOBS.c.batch_id).where(_JOBS.c.attempt_key.in_(keys)).distinct().order_by(_JOBS.c.batch_id)
    return list(connection.execute(found).scalars())


def _pages_of(connection: Connection, traces: Traces, jobs: Select[str]) -> list[PageKey]:
    within = _PAGES.c.attempt_key.in_(jobs)
    found: list[PageKey] = []
    for rows in _in_parts(connection, _PAGE, _PAGES.c.body, within):
        found += [(row.attempt_key, row.offset) for row in rows if traces.are_in_json_text(unpacked_text(row.body))]
    return found


def items_about(connection: Connection, traces: Traces) -> list[dict[str, Any]]:
    """Operation and item of everything in stored job pages that is about the person, whoever still reads them."""
    found: list[dict[str, Any]] = []
    for key in _pages_of(connection, traces, select(_JOBS.c.attempt_key)):
        row = connection.execute(
            select(_JOBS.c.operation, _PAGES.c.body)
            .join_from(_PAGES, _JOBS, _JOBS.c.attempt_key == _PAGES.c.attempt_key)
            .where(_page_is(key))
        ).one()
        found += [{"operation": row.operation, "item": item} for item in _items(row.body) if traces.are_in_data(item)]
    return found


def blank_pages(connection: Connection, traces: Traces, keys: Sequence[PageKey]) -> int:
    """Empty the items about a person in these pages, so that the others keep their places; returns how many."""
    done = 0
    for key in keys:
        body = connection.execute(select(_PAGES.c.body).where(_page_is(key))).scalar_one_or_none()
        if body is not None:
            items, hits = traces.without_items(_items(body))
            connection.execute(update(_PAGES).where(_page_is(key)).values(body=packed(items)))
            done += hits
    return done


def blank_items(connection: Connection, batch_id: str, is_about: Callable[[JsonValue], bool]) -> int:
    """Empty the items in the pages of a batch's search that a test picks, whatever it reads later; returns how many."""
    jobs = select(_JOBS.c.attempt_key).where(_JOBS.c.batch_id == batch_id, _JOBS.c.stage == Stage.DISCOVERED)
    done = 0
    for rows in _in_parts(connection, _PAGE, _PAGES.c.body, _PAGES.c.attempt_key.in_(jobs)):
        for row in rows:
            items = _items(row.body)
            about = [bool(item) and is_about(item) for item in items]
            if any(about):
                left = [{} if hit else item for item, hit in zip(items, about, strict=True)]
                key = (row.attempt_key, row.offset)
                connection.execute(update(_PAGES).where(_page_is(key)).values(body=packed(left)))
                done += sum(about)
    return done


def _items(body: bytes) -> list[Any]:
    items = unpacked(body)
    return list(items) if isinstance(items, list) else []


def _page_is(key: PageKey) -> ColumnElement[bool]:
    return and_(_PAGES.c.attempt_key == key[0], _PAGES.c.offset == key[1])


def _in_parts(
    connection: Connection, order: tuple[Any, ...], body: ColumnElement[bytes], within: ColumnElement[bool]
) -> Iterator[Sequence[Any]]:
    """All rows (keys, body) within, a few at a time, in the order of their keys."""
    query = select(*order, body).where(within).order_by(*order).limit(PART)
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
