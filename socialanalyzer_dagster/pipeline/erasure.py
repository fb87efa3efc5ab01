"""Erasing people from everywhere: suppressed first, then emptied table by table, the name last (spec 19.4).

Every step may be repeated. Until the last one the database still says who the person was, so an erasure that was
interrupted is finished by asking again; what has to wait for the CRM or a working batch is finished by the purge.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.notification_alerts import EraseRequested
from socialanalyzer_dagster.domain.suppression import identifier_hash, keyed_hash
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.erasure_work import Erasure, carry_out
from socialanalyzer_dagster.pipeline.people_search import FoundPerson
from socialanalyzer_dagster.pipeline.privacy_parts import ERASURE, PEOPLE_AT_ONCE, PrivacyParts
from socialanalyzer_dagster.pipeline.suppressions import refuse_personal_reason
from socialanalyzer_dagster.storage import audit_log, outbox, person_rows, privacy_requests
from socialanalyzer_dagster.storage.leads import parts as in_parts
from socialanalyzer_dagster.storage.privacy_requests import PrivacyRequest, RequestKind, RequestState
from socialanalyzer_dagster.storage.suppressions import Suppression, add_suppressions
from socialanalyzer_dagster.vendors.media_store import MediaStoreError

T = TypeVar("T")

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
    return (await erase_all(parts, [asked]))[0]


async def erase_all(parts: PrivacyParts, asked: Sequence[PersonRequest]) -> list[PrivacyRequest]:
    """As `erase` for several people: what is stored about everybody is read once for all of them.

    Somebody whose media cannot be deleted keeps nobody else: that error is raised when all others are erased.
    """
    for each in asked:
        refuse_personal_reason(each.reason)
    return await _in_groups(parts, asked, partial(_begun, parts))


async def _in_groups(
    parts: PrivacyParts, asked: Sequence[T], begin: Callable[[Sequence[T]], list[Erasure]]
) -> list[PrivacyRequest]:
    """All of them; raises MediaStoreError, the first of several, at the end."""
    requests: list[PrivacyRequest] = []
    errors: list[MediaStoreError] = []
    for group in in_parts(asked, PEOPLE_AT_ONCE):
        begun = await asyncio.to_thread(begin, group)
        try:
            requests += await carry_out(parts, begun)
        except MediaStoreError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return requests


def _begun(parts: PrivacyParts, asked: Sequence[PersonRequest]) -> list[Erasure]:
    shut_out = [_shut_out(parts, each) for each in asked]
    return [
        Erasure(_begin(parts, each, found, added), found, _given_addresses(each))
        for each, found, added in zip(asked, _found(parts, asked), shut_out, strict=True)
    ]


def _found(parts: PrivacyParts, asked: Sequence[PersonRequest]) -> list[FoundPerson]:
    """The people, in order; those who are named by leads are looked for together."""
    leads = iter(parts.search.of_each([[each.who] for each in asked if not isinstance(each.who, Identifier)]))
    return [parts.search.of(each.who) if isinstance(each.who, Identifier) else next(leads) for each in asked]


def find(parts: PrivacyParts, asked: PersonRequest) -> FoundPerson:
    """The person's leads and spellings."""
    return _found(parts, [asked])[0]


def _given_addresses(asked: PersonRequest) -> tuple[str, ...]:
    is_email = asked.identifier is not None and asked.identifier.kind is IdentifierKind.EMAIL
    return (asked.identifier.value,) if is_email and asked.identifier is not None else ()


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


async def finish_requests(parts: PrivacyParts) -> Counter[str]:
    """Go on with every erasure that is not done; returns requests by the state they have now.

    One that was interrupted still finds the person by its leads; one about nobody we know needs its identifier again.
    """
    with parts.database.read() as connection:
        waiting = privacy_requests.unfinished(connection)
    findable = [each for each in waiting if each.leads or each.state != RequestState.OPEN]
    gone_on = await _in_groups(parts, findable, partial(_found_again, parts))
    return Counter(str(each.state) for each in gone_on) + Counter(
        {RequestState.OPEN.value: len(waiting) - len(findable)}
    )


def _found_again(parts: PrivacyParts, waiting: Sequence[PrivacyRequest]) -> list[Erasure]:
    found = parts.search.of_each([[LeadUid(uid) for uid in each.leads] for each in waiting])
    return [Erasure(request, person) for request, person in zip(waiting, found, strict=True)]
