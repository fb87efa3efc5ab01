"""Stored answers and job pages, searched for people and emptied of them (spec 19.4).

Looking is long and reads, once for however many people; removing is short and writes: the two are apart, so that no
batch waits for a search.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, and_, cast, delete, or_, select, true, update
from sqlalchemy import Text as TextType

from socialanalyzer_dagster.domain.traces import Traces, united
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

K = TypeVar("K")

PART = 200
"""Bodies in memory at a time."""
ROWS = 1000
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


def calls_of(connection: Connection, people: Sequence[Sequence[str]], *, at_rest: bool) -> list[CallKeys]:
    """What is stored of calls made for the leads of each of these people; what was for several is in each one's.

    With `at_rest` only what may go now: everything in batches at rest, and answers for one lead alone, which the gate
    never gives again. Answers that others of a working batch share have to wait for it.
    """
    owners = _owners(people)
    if not owners:
        return [CallKeys() for _ in people]
    answers: list[list[str]] = [[] for _ in people]
    jobs: list[list[str]] = [[] for _ in people]
    of_attempt = _ATTEMPTS.c.attempt_key == _ANSWERS.c.attempt_key
    stored = select(_ANSWERS.c.attempt_key, _ATTEMPTS.c.leads, is_at_rest(_ATTEMPTS.c.batch_id)).join(
        _ATTEMPTS, of_attempt
    )
    for key, leads, rests in connection.execute(stored.execution_options(yield_per=ROWS)):
        if rests or len(leads) == 1 or not at_rest:
            _hand_out(key, leads, owners, answers)
    bought = select(_JOBS.c.attempt_key, _JOBS.c.leads, is_at_rest(_JOBS.c.batch_id))
    for key, leads, rests in connection.execute(bought.where(_JOBS.c.state != JobPhase.EXPIRED)):
        if rests or not at_rest:
            _hand_out(key, leads, owners, jobs)
    return [CallKeys(tuple(mine), tuple(my_jobs)) for mine, my_jobs in zip(answers, jobs, strict=True)]


def _owners(people: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """Lead -> the places of the people it is of."""
    owners: dict[str, list[int]] = defaultdict(list)
    for place, leads in enumerate(people):
        for lead in leads:
            owners[lead].append(place)
    return owners


def _hand_out(key: str, leads: Sequence[str], owners: Mapping[str, Sequence[int]], found: Sequence[list[str]]) -> None:
    for place in {place for lead in leads for place in owners.get(lead, ())}:
        found[place].append(key)


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
        jobs = update(_JOBS).where(_JOBS.c.attempt_key.in_(attempt_keys), _JOBS.c.state != JobPhase.EXPIRED)
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


def answers_about(connection: Connection, people: Sequence[Traces]) -> list[list[str]]:
    """Keys of stored answers of batches at rest, whoever they were given for, that name each of these people."""
    of_attempt = _ATTEMPTS.c.attempt_key == _ANSWERS.c.attempt_key
    query = select(_ANSWERS.c.attempt_key, _ANSWERS.c.body).join(_ATTEMPTS, of_attempt)
    rows = connection.execute(query.where(is_at_rest(_ATTEMPTS.c.batch_id)).execution_options(yield_per=PART))
    return _naming(people, ((row.attempt_key, row.body) for row in rows))


_IS_READ = or_(and_(_JOBS.c.stage == Stage.DISCOVERED, is_searched(_JOBS.c.batch_id)), is_at_rest(_JOBS.c.batch_id))
"""No stage reads the pages of the job again: its search has ended, or its batch is at rest."""


def pages_about(connection: Connection, people: Sequence[Traces]) -> list[list[PageKey]]:
    """Stored pages that name each of these people, of searches that have ended and of batches at rest.

    A page that a stage may still read is left as it is: an emptied item would look like one that was not found.
    """
    return _pages_about(connection, people, _IS_READ)


def search_pages_about(connection: Connection, traces: Traces, batch_id: str) -> list[PageKey]:
    """Pages of one batch's search that name the person; for a search all of whose items are decided."""
    return _pages_about(connection, [traces], _is_search(batch_id))[0]


def searches_about(connection: Connection, people: Sequence[Traces]) -> list[list[str]]:
    """Batches that are half-way through a search whose stored pages name each of these people."""
    found = _pages_about(connection, people, and_(_JOBS.c.stage == Stage.DISCOVERED, ~_IS_READ))
    keys = {key for pages in found for key, _ in pages}
    jobs = connection.execute(select(_JOBS.c.attempt_key, _JOBS.c.batch_id).where(_JOBS.c.attempt_key.in_(keys)))
    batch_of = {row.attempt_key: row.batch_id for row in jobs}
    return [sorted({batch_of[key] for key, _ in pages}) for pages in found]


def _is_search(batch_id: str) -> ColumnElement[bool]:
    return and_(_JOBS.c.batch_id == batch_id, _JOBS.c.stage == Stage.DISCOVERED)


def _pages(jobs: ColumnElement[bool], *columns: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    """Key and some columns of the pages of jobs."""
    return select(*_PAGE, *columns).join(_JOBS, _JOBS.c.attempt_key == _PAGES.c.attempt_key).where(jobs)


def _pages_about(connection: Connection, people: Sequence[Traces], jobs: ColumnElement[bool]) -> list[list[PageKey]]:
    rows = connection.execute(_pages(jobs, _PAGES.c.body).execution_options(yield_per=PART))
    return _naming(people, (((row.attempt_key, row.offset), row.body) for row in rows))


def _naming(people: Sequence[Traces], stored: Iterable[tuple[K, bytes]]) -> list[list[K]]:
    """Keys of the stored bodies that name each of the people; each body is read once."""
    anybody = united(people)
    found: list[list[K]] = [[] for _ in people]
    for key, body in stored:
        text = unpacked_text(body)
        if anybody.are_in_json_text(text):
            for keys, traces in zip(found, people, strict=True):
                if traces.are_in_json_text(text):
                    keys.append(key)
    return found


def items_about(connection: Connection, traces: Traces) -> list[dict[str, Any]]:
    """Operation and item of everything in stored job pages that is about the person, whoever still reads them."""
    found: list[dict[str, Any]] = []
    for key in _pages_about(connection, [traces], true())[0]:
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
    done = 0
    for row in connection.execute(_pages(_is_search(batch_id))).all():
        key = (row.attempt_key, row.offset)
        items = _items(connection.execute(select(_PAGES.c.body).where(_page_is(key))).scalar_one())
        about = [bool(item) and is_about(item) for item in items]
        if any(about):
            left = [{} if hit else item for item, hit in zip(items, about, strict=True)]
            connection.execute(update(_PAGES).where(_page_is(key)).values(body=packed(left)))
            done += sum(about)
    return done


def _items(body: bytes) -> list[Any]:
    items = unpacked(body)
    return list(items) if isinstance(items, list) else []


def _page_is(key: PageKey) -> ColumnElement[bool]:
    return and_(_PAGES.c.attempt_key == key[0], _PAGES.c.offset == key[1])
