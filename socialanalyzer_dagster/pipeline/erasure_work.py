"""Carrying out erasures that are begun: what needs names is read once for all, then one after the other (spec 19.4)."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from socialanalyzer_dagster.domain.leads import IdentifierKind
from socialanalyzer_dagster.domain.traces import Traces
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.erasure_end import SEARCHES, ErasureEnd
from socialanalyzer_dagster.pipeline.people_in_batches import withdraw
from socialanalyzer_dagster.pipeline.people_search import FoundPerson
from socialanalyzer_dagster.pipeline.privacy_parts import AT_ONCE, PrivacyParts
from socialanalyzer_dagster.storage import people, person_calls, person_rows, person_texts, privacy_requests
from socialanalyzer_dagster.storage.leads import parts as in_parts
from socialanalyzer_dagster.storage.person_calls import CallKeys
from socialanalyzer_dagster.storage.privacy_requests import PrivacyRequest
from socialanalyzer_dagster.vendors.media_store import MediaStoreError


@dataclass(slots=True)
class Erasure:
    """One request that is stored, and the person it is about; `done` counts rows by kind."""

    request: PrivacyRequest
    found: FoundPerson
    addresses: Sequence[str] = ()
    done: Counter[str] = field(default_factory=Counter)

    @property
    def leads(self) -> list[LeadUid]:
        """All leads of the request."""
        return [LeadUid(uid) for uid in self.request.leads]


async def carry_out(parts: PrivacyParts, begun: Sequence[Erasure]) -> list[PrivacyRequest]:
    """Empty everything about these people; their requests as they stand then, stored.

    Raises MediaStoreError, the first of several, when everybody whose media could be deleted is erased.
    """
    await asyncio.to_thread(_take_out, parts, begun)
    calls = await asyncio.to_thread(_calls, parts, begun, at_rest=True)
    ended: list[tuple[Erasure, ErasureEnd]] = []
    errors: list[MediaStoreError] = []
    for each, own in zip(begun, calls, strict=True):
        end = ErasureEnd(parts, each.request, each.done)
        try:
            await end.run(own, extra_addresses=each.addresses, email_hashes=_email_hashes(parts, each.found))
        except MediaStoreError as error:
            errors.append(error)
        else:
            ended.append((each, end))
    left = await asyncio.to_thread(_calls, parts, [each for each, _ in ended], at_rest=False)
    closed = [await asyncio.to_thread(end.close, own) for (_, end), own in zip(ended, left, strict=True)]
    if errors:
        raise errors[0]
    return closed


def _calls(parts: PrivacyParts, begun: Sequence[Erasure], *, at_rest: bool) -> list[CallKeys]:
    with parts.database.read() as connection:
        return person_calls.calls_of(connection, [each.leads for each in begun], at_rest=at_rest)


def _email_hashes(parts: PrivacyParts, found: FoundPerson) -> tuple[str, ...]:
    emails = (each for each in found.identifiers if each.kind is IdentifierKind.EMAIL)
    return tuple(keyed for _, keyed in sorted(parts.search.hashes(emails)))


def _take_out(parts: PrivacyParts, begun: Sequence[Erasure]) -> None:
    """What needs names: batches, texts that are nobody's own row, mentions at other leads, searches that go on.

    A batch half-way through a search whose pages name somebody is emptied later: their request waits for it.
    """
    for each in begun:
        each.done["batch_outcomes"] += withdraw(parts.workplace, each.found.uids)
    named = [each for each in begun if each.found.identifiers]
    if not named:
        return
    traces = [each.found.traces() for each in named]
    _scrub(parts, named, traces)
    _remove_mentions(parts, named)
    with parts.database.read() as connection:
        searches = person_calls.searches_about(connection, traces)
    for each, batch_ids in zip(named, searches, strict=True):
        each.request = _waiting_for(parts, each.request, batch_ids)


def _waiting_for(parts: PrivacyParts, request: PrivacyRequest, searches: Sequence[str]) -> PrivacyRequest:
    """The request that waits for these searches as well, stored before the name goes."""
    if not searches:
        return request
    waits_for = sorted({*request.receipt.get(SEARCHES, ()), *searches})
    request = replace(request, receipt={**request.receipt, SEARCHES: waits_for})
    with parts.database.write() as connection:
        privacy_requests.change_request(connection, request)
    return request


def _scrub(parts: PrivacyParts, named: Sequence[Erasure], traces: Sequence[Traces]) -> None:
    """Look first, which takes long and keeps nobody waiting; then write, a little at a time."""
    database = parts.database
    with database.read() as connection:
        answers = person_calls.answers_about(connection, traces)
        pages = person_calls.pages_about(connection, traces)
        changes = person_texts.text_changes(connection, traces)
    for each, own, keys, own_pages, own_changes in zip(named, traces, answers, pages, changes, strict=True):
        for some_keys in in_parts(keys):
            with database.write() as connection:
                each.done["provider_answers"] += person_calls.drop_answers(connection, some_keys)
        for some_pages in in_parts(own_pages, AT_ONCE):
            with database.write() as connection:
                each.done["vendor_job_items"] += person_calls.blank_pages(connection, own, some_pages)
        for some_changes in in_parts(own_changes, AT_ONCE):
            with database.write() as connection:
                person_texts.apply_changes(connection, some_changes)
        each.done += Counter(change.rule.table.name for change in own_changes)


def _remove_mentions(parts: PrivacyParts, named: Sequence[Erasure]) -> None:
    """Candidates of other leads that are somebody's own account: pages link to other people too."""
    anybody = parts.search.own_accounts(*(each.found for each in named))
    own = [parts.search.own_accounts(each.found) for each in named]
    for links in people.link_candidates(parts.database):
        about = [link for link in links if parts.search.is_link_to(anybody, link.url)]
        for each, accounts in zip(named, own, strict=True):
            ids = [
                link.row_id
                for link in about
                if link.lead not in each.found.leads and parts.search.is_link_to(accounts, link.url)
            ]
            for some_ids in in_parts(ids, AT_ONCE):
                with parts.database.write() as connection:
                    each.done["contact_candidates"] += person_rows.forget_candidates(connection, some_ids)
