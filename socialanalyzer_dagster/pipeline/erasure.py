"""Erasing a person from everywhere: suppressed first, then emptied table by table, the name last (spec 19.4).

Every step may be repeated. Until the last one the database still says who the person was, so an erasure that was
interrupted is finished by asking again; what has to wait for the CRM or a working batch is finished by the purge.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.notification_alerts import EraseRequested
from socialanalyzer_dagster.domain.suppression import identifier_hash, keyed_hash
from socialanalyzer_dagster.domain.traces import Traces
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.erasure_end import SEARCHES, ErasureEnd
from socialanalyzer_dagster.pipeline.people_in_batches import withdraw
from socialanalyzer_dagster.pipeline.people_search import FoundPerson
from socialanalyzer_dagster.pipeline.privacy_parts import AT_ONCE, ERASURE, PrivacyParts
from socialanalyzer_dagster.pipeline.suppressions import refuse_personal_reason
from socialanalyzer_dagster.storage import (
    audit_log,
    outbox,
    people,
    person_calls,
    person_rows,
    person_texts,
    privacy_requests,
)
from socialanalyzer_dagster.storage.leads import parts as in_parts
from socialanalyzer_dagster.storage.privacy_requests import PrivacyRequest, RequestKind, RequestState
from socialanalyzer_dagster.storage.suppressions import Suppression, add_suppressions

LEAD = "lead"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRequest:
    """Whose data, who asks for it to be done, and why; a lead uid or an identifier in any spelling names the person."""

    who: Identifier | LeadUid
    by: str
    reason: str

    @property
    def identifier(self) -> Identifier | None:
        """The identifier, None when a lead was named."""
        return self.who if isinstance(self.who, Identifier) else None

    @property
    def kind(self) -> str:
        """What named the person."""
        return self.who.kind.value if isinstance(self.who, Identifier) else LEAD

    def keyed(self, key: bytes) -> str:
        """The keyed hash of what named the person; raises WeakKey, FilterProblems for no such identifier."""
        if not isinstance(self.who, Identifier):
            return keyed_hash(IdentifierKind.HANDLE, f"{LEAD}\n{self.who}", key)
        keyed = identifier_hash(self.who, key)
        if keyed is None:
            raise FilterProblems((FieldProblem("PERSON", f"this is no {self.kind}"),))
        return keyed


async def erase(parts: PrivacyParts, asked: PersonRequest) -> PrivacyRequest:
    """Erase the person; the request with its receipt, `done` or with a state that says what it waits for.

    An unknown person leaves a receipt with nothing in it and stays out from now on. Raises FilterProblems for a reason
    that names somebody; MediaStoreError and what the database raises half-way: asking again goes on from there.
    """
    refuse_personal_reason(asked.reason)
    shut_out = await asyncio.to_thread(_shut_out, parts, asked)
    found = await asyncio.to_thread(find, parts, asked)
    request = await asyncio.to_thread(_begin, parts, asked, found, shut_out)
    done, searches = await asyncio.to_thread(_take_out, parts, found)
    request = await asyncio.to_thread(_wait_for, parts, request, searches)
    end = ErasureEnd(parts, request, done)
    return await end.run(extra_addresses=_given_addresses(asked), email_hashes=_email_hashes(parts, found))


def find(parts: PrivacyParts, asked: PersonRequest) -> FoundPerson:
    """The person's leads and spellings."""
    return parts.search.of(asked.who) if isinstance(asked.who, Identifier) else parts.search.of_leads([asked.who])


def _given_addresses(asked: PersonRequest) -> tuple[str, ...]:
    is_email = asked.identifier is not None and asked.identifier.kind is IdentifierKind.EMAIL
    return (asked.identifier.value,) if is_email and asked.identifier is not None else ()


def _email_hashes(parts: PrivacyParts, found: FoundPerson) -> tuple[str, ...]:
    emails = (each for each in found.identifiers if each.kind is IdentifierKind.EMAIL)
    return tuple(keyed for _, keyed in sorted(parts.search.hashes(emails)))


def _shut_out(parts: PrivacyParts, asked: PersonRequest) -> int:
    """Suppress what was given before anybody is looked for: what a batch stores from here on is not the person.

    A lead that is named by its uid is suppressed under all its identifiers by `_begin`. Returns how many were new.
    """
    asked.keyed(parts.key)
    if asked.identifier is None:
        return 0
    with parts.database.write() as connection:
        return add_suppressions(connection, _entries(parts, asked, [asked.identifier]))


def _entries(parts: PrivacyParts, asked: PersonRequest, identifiers: Iterable[Identifier]) -> list[Suppression]:
    now = parts.workplace.clock.now()
    return [
        Suppression(kind=kind, keyed_hash=keyed, reason=asked.reason, source=ERASURE, added_at=now)
        for kind, keyed in sorted(parts.search.hashes(identifiers))
    ]


def _begin(parts: PrivacyParts, asked: PersonRequest, found: FoundPerson, shut_out: int) -> PrivacyRequest:
    """The request and the suppression of everything known in one transaction: every gate refuses the person now."""
    now, keyed = parts.workplace.clock.now(), asked.keyed(parts.key)
    with parts.database.write() as connection:
        earlier = privacy_requests.unfinished(connection, keyed)
        request = earlier[0] if earlier else _new_request(asked, keyed, parts)
        request = replace(request, leads=tuple(sorted({*request.leads, *found.uids})))
        added = shut_out + add_suppressions(connection, _entries(parts, asked, found.identifiers))
        receipt = _merged(
            request.receipt,
            Counter(suppressions=added),
            shared_identifiers=len(found.shared),
            possibly_theirs=sorted(found.possible),
        )
        request = replace(request, receipt=receipt)
        if earlier:
            privacy_requests.change_request(connection, request)
        else:
            privacy_requests.insert_request(connection, request)
            audit_log.record(
                connection, at=now, actor=asked.by, action="privacy.erase", subject=keyed, request=request.request_id,
                leads=len(request.leads),
            )  # fmt: skip
            asked_for = EraseRequested(request_id=request.request_id, leads=len(request.leads))
            outbox.emit(connection, asked_for, now=now)
        person_rows.mark_erased(connection, found.uids, now)
    return request


def _new_request(asked: PersonRequest, keyed: str, parts: PrivacyParts) -> PrivacyRequest:
    return PrivacyRequest(
        request_id=str(uuid.uuid4()),
        kind=RequestKind.ERASE,
        state=RequestState.OPEN,
        identifier_kind=asked.kind,
        keyed_hash=keyed,
        leads=(),
        requested_by=asked.by,
        requested_at=parts.workplace.clock.now(),
        finished_at=None,
        receipt={},
    )


def _merged(receipt: Any, counts: Counter[str], **facts: object) -> dict[str, Any]:  # noqa: ANN401 - stored JSON
    before = Counter(receipt.get("counts", {}))
    return {**receipt, **facts, "counts": dict(before + counts)}


def _wait_for(parts: PrivacyParts, request: PrivacyRequest, searches: Sequence[str]) -> PrivacyRequest:
    """The request that waits for these searches as well, stored before the name goes."""
    if not searches:
        return request
    waits_for = sorted({*request.receipt.get(SEARCHES, ()), *searches})
    request = replace(request, receipt={**request.receipt, SEARCHES: waits_for})
    with parts.database.write() as connection:
        privacy_requests.change_request(connection, request)
    return request


def _take_out(parts: PrivacyParts, found: FoundPerson) -> tuple[Counter[str], list[str]]:
    """What needs the person's name: batches, texts that are nobody's own row, and mentions at other leads.

    Returns rows by kind, and batches half-way through a search whose pages name the person: they are emptied later.
    """
    done: Counter[str] = Counter()
    searches: list[str] = []
    done["batch_outcomes"] = withdraw(parts.workplace, found.uids)
    if found.identifiers:
        done += _scrubbed(parts, found.traces())
        done["contact_candidates"] += _mentions_removed(parts, found)
        with parts.database.read() as connection:
            searches = person_calls.searches_about(connection, found.traces())
    return done, searches


def _scrubbed(parts: PrivacyParts, traces: Traces) -> Counter[str]:
    """Look first, which takes long and keeps nobody waiting; then write, a little at a time."""
    database, done = parts.database, Counter[str]()
    with database.read() as connection:
        answers = person_calls.answers_about(connection, traces)
        pages = person_calls.pages_about(connection, traces)
        changes = person_texts.text_changes(connection, traces)
    for keys in in_parts(answers):
        with database.write() as connection:
            done["provider_answers"] += person_calls.drop_answers(connection, keys)
    for some_pages in in_parts(pages, AT_ONCE):
        with database.write() as connection:
            done["vendor_job_items"] += person_calls.blank_pages(connection, traces, some_pages)
    for some_changes in in_parts(changes, AT_ONCE):
        with database.write() as connection:
            person_texts.apply_changes(connection, some_changes)
    return done + Counter(change.rule.table.name for change in changes)


def _mentions_removed(parts: PrivacyParts, found: FoundPerson) -> int:
    """Candidates of other leads that are this person's own account: pages link to other people too."""
    own = parts.search.own_accounts(found)
    removed = 0
    for part in people.everybody(parts.database):
        others = [lead.uid for lead in part if lead.uid not in found.leads]
        with parts.database.read() as connection:
            links = people.link_candidates(connection, others)
        ids = [row_id for row_id, url in links if parts.search.is_link_to(own, url)]
        if ids:
            with parts.database.write() as connection:
                removed += person_rows.forget_candidates(connection, ids)
    return removed


async def finish_requests(parts: PrivacyParts) -> Counter[str]:
    """Go on with every erasure that is not done; returns requests by the state they have now.

    One that was interrupted still finds the person by its leads; one about nobody we know needs its identifier again.
    """
    with parts.database.read() as connection:
        waiting = privacy_requests.unfinished(connection)
    states: Counter[str] = Counter()
    for request in waiting:
        found = await asyncio.to_thread(parts.search.of_leads, [LeadUid(uid) for uid in request.leads])
        done, searches = await asyncio.to_thread(_take_out, parts, found)
        if request.leads or request.state != RequestState.OPEN:
            end = ErasureEnd(parts, await asyncio.to_thread(_wait_for, parts, request, searches), done)
            states[(await end.run(email_hashes=_email_hashes(parts, found))).state] += 1
        else:
            states[request.state] += 1
    return states
