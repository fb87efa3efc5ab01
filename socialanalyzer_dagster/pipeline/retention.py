"""The daily purge: every kind of data past its period goes, in bounded transactions, and nothing else (spec 19.5)."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.crm_activity import quiet_leads
from socialanalyzer_dagster.pipeline.erasure import PersonRequest, erase, finish_requests
from socialanalyzer_dagster.pipeline.privacy_parts import AT_ONCE, MEDIA_FOLDERS, PrivacyParts
from socialanalyzer_dagster.storage import batches_at_work, outbox_keeping, person_calls, person_rows, retention
from socialanalyzer_dagster.storage.attempts import packed
from socialanalyzer_dagster.storage.leads import parts as in_parts
from socialanalyzer_dagster.storage.retention import Window
from socialanalyzer_dagster.vendors.kept_answers import PARSED, parsed_part
from socialanalyzer_dagster.vendors.media_store import StoredObject

T = TypeVar("T")

ROWS_AT_ONCE = 500
ACTOR = "retention"
_MINOR = "possible minor"


@dataclass(frozen=True, slots=True)
class Periods:
    """From when on each kind of data is past its period; `longer` are operations whose parsed answers serve repeats."""

    media: datetime
    raw: datetime
    leads: datetime
    synced: datetime
    minors: datetime
    logs: datetime
    messages: datetime
    """As logs, but never before news were told for certain."""
    longer: tuple[Window, ...]

    @classmethod
    def of(cls, policy: Policy, now: datetime) -> "Periods":
        """Under a policy at an instant."""
        kept, reuse = policy.retention, policy.cache.reuse_days
        return cls(
            media=now - timedelta(days=kept.media_days),
            raw=now - timedelta(days=kept.raw_days),
            leads=now - timedelta(days=kept.lead_days),
            synced=now - timedelta(days=kept.synced_days),
            minors=now - timedelta(hours=kept.minor_hours),
            logs=now - timedelta(days=kept.log_days),
            messages=now - max(timedelta(days=kept.log_days), timedelta(hours=policy.notifications.look_back_hours)),
            longer=tuple(
                Window(operation, now - timedelta(days=min(reuse[operation], kept.lead_days)))
                for operation in sorted(PARSED)
                if reuse.get(operation, 0) > kept.raw_days
            ),
        )


async def purge(parts: PrivacyParts) -> Counter[str]:
    """Remove everything that is past its period and finish open erasures; returns counts per kind.

    Raises MediaStoreError when the store fails. What the CRM does not answer about stays, and the check says so.
    """
    done: Counter[str] = Counter()
    for uid in await asyncio.to_thread(_read, parts, lambda connection: _minors(connection, None)):
        await erase(parts, PersonRequest(who=uid, by=ACTOR, reason=_MINOR))
        done["possible_minors"] += 1
    done += Counter({f"requests_{state}": each for state, each in (await finish_requests(parts)).items()})
    done["media_objects"] = await _purge_media(parts)
    done += await asyncio.to_thread(_purge_rows, parts)
    quiet = await quiet_leads(parts, _periods(parts).synced)
    done["synced_leads_reduced"] = await _reduce(parts, quiet.leads)
    unsynced = await asyncio.to_thread(_unsynced, parts)
    while unsynced:
        done["leads_reduced"] += await _reduce(parts, unsynced)
        unsynced = await asyncio.to_thread(_unsynced, parts)
    return done


async def expired_left(parts: PrivacyParts) -> Mapping[str, int]:
    """What is past its period and still there, by kind; raises MediaStoreError and what the database raises."""
    periods = _periods(parts)
    left = await asyncio.to_thread(_read, parts, lambda connection: _count_rows(connection, periods))
    left["media_objects"] = len(await _old_media(parts, periods))
    quiet = await quiet_leads(parts, periods.synced)
    left["synced_leads"] = len(quiet.leads)
    left["synced_leads_unclear"] = quiet.unclear
    return left


def _periods(parts: PrivacyParts) -> Periods:
    return Periods.of(parts.policy, parts.workplace.clock.now())


def _count_rows(connection: Connection, periods: Periods) -> dict[str, int]:
    questions: Mapping[str, Select[*tuple[Any, ...]]] = {
        "possible_minors": retention.possible_minors(periods.minors),
        "raw_answers": retention.raw_answers(periods.raw, periods.longer),
        "answers": retention.old_answers(periods.raw, periods.longer),
        "vendor_jobs": retention.old_jobs(periods.raw),
        "found_items": retention.old_items(periods.raw),
        "log_entries": retention.old_log_entries(periods.logs),
        "messages": outbox_keeping.old_messages(periods.messages),
        "creator_lists": retention.old_lists(periods.leads),
        "leads": retention.old_leads(periods.leads),
    }
    return {name: retention.count(connection, question) for name, question in questions.items()}


def _read(parts: PrivacyParts, question: Callable[[Connection], T]) -> T:
    with parts.database.read() as connection:
        return question(connection)


def _purge_rows(parts: PrivacyParts) -> Counter[str]:
    periods, done = _periods(parts), Counter[str]()
    done["answers_reduced"] = _until_none(parts, lambda connection: _reduce_answers(connection, parts, periods))
    done["answers"] = _until_none(
        parts,
        lambda connection: retention.drop_answers(
            connection, retention.old_answers(periods.raw, periods.longer), ROWS_AT_ONCE
        ),
    )
    done["vendor_jobs"] = _until_none(parts, lambda connection: _expire_jobs(connection, periods))
    done["found_items"] = _until_none(
        parts, lambda connection: retention.blank_items(connection, retention.old_items(periods.raw), ROWS_AT_ONCE)
    )
    done["log_entries"] = _until_none(
        parts,
        lambda connection: retention.drop_log_entries(
            connection, retention.old_log_entries(periods.logs), ROWS_AT_ONCE
        ),
    )
    done["messages"] = _until_none(
        parts,
        lambda connection: outbox_keeping.forget(
            connection, outbox_keeping.old_messages(periods.messages), ROWS_AT_ONCE
        ),
    )
    done["list_rows"] = _until_none(parts, lambda connection: _drop_list(connection, periods))
    return done


def _until_none(parts: PrivacyParts, step: Callable[[Connection], int]) -> int:
    """One bounded transaction after the other, until one finds nothing."""
    total = 0
    while True:
        with parts.database.write() as connection:
            done = step(connection)
        if not done:
            return total
        total += done


def _reduce_answers(connection: Connection, parts: PrivacyParts, periods: Periods) -> int:
    """Leave of some answers what a repeat is answered from; one that cannot be read goes."""
    rows = retention.bodies(connection, retention.raw_answers(periods.raw, periods.longer), ROWS_AT_ONCE)
    kept = [(key, parsed_part(operation, body)) for key, operation, body in rows]
    retention.replace_bodies(
        connection, [(key, packed(body)) for key, body in kept if body is not None], parts.workplace.clock.now()
    )
    person_calls.drop_answers(connection, [key for key, body in kept if body is None])
    return len(rows)


def _expire_jobs(connection: Connection, periods: Periods) -> int:
    keys = retention.some_uids(connection, retention.old_jobs(periods.raw), AT_ONCE)
    person_calls.expire_jobs(connection, keys)
    return len(keys)


def _drop_list(connection: Connection, periods: Periods) -> int:
    lists = retention.some_uids(connection, retention.old_lists(periods.leads), 1)
    return sum(retention.drop_list(connection, fingerprint) for fingerprint in lists)


def _minors(connection: Connection, before: datetime | None) -> list[LeadUid]:
    return retention.some_uids(connection, retention.possible_minors(before), ROWS_AT_ONCE)


def _unsynced(parts: PrivacyParts) -> list[LeadUid]:
    before = _periods(parts).leads
    return _read(parts, lambda connection: retention.some_uids(connection, retention.old_leads(before), AT_ONCE))


async def _reduce(parts: PrivacyParts, leads: Sequence[LeadUid]) -> int:
    """Leave of leads the keyed identity hash, and of their outcomes code and date; their media went before."""
    reduced = 0
    for group in in_parts(leads, AT_ONCE):
        reduced += await asyncio.to_thread(_reduce_group, parts, group)
    return reduced


def _reduce_group(parts: PrivacyParts, group: Sequence[LeadUid]) -> int:
    with parts.database.write() as connection:
        person_rows.clear_content(connection, group)
        person_rows.clear_contacts(connection, group)
        person_rows.empty_links(connection, group)
        return len(person_rows.reduce_identities(connection, group, parts.key, parts.workplace.clock.now()))


async def _old_media(parts: PrivacyParts, periods: Periods) -> list[StoredObject]:
    """Objects past their period whose lead no batch works on."""
    found = [each for folder in MEDIA_FOLDERS for each in await parts.media_store.objects(folder)]
    old = [each for each in found if each.stored_at < periods.media]
    owners = sorted({_owner(each) for each in old})
    used: set[str] = set()
    for part in in_parts(owners):
        used |= await asyncio.to_thread(_read, parts, partial(batches_at_work.leads_in_use, leads=part))
    return [each for each in old if _owner(each) not in used]


def _owner(found: StoredObject) -> str:
    """`media/<lead uid>/...` -> the lead (I-2)."""
    return found.key.split("/")[1]


async def _purge_media(parts: PrivacyParts) -> int:
    old = await _old_media(parts, _periods(parts))
    for each in old:
        await parts.media_store.delete(each.key)
    return len(old)
