"""Versions of the policy document: stored with author, note and difference, exactly one active (spec 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from socialanalyzer_dagster.domain.policy import (
    INSTANT_POLICY,
    Policy,
    PolicyError,
    parse_policy,
    shipped_policy,
    stored_policy,
)
from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage import policies as rows
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.policies import StoredPolicy

SHIPPED = "shipped"
ACTIVATED = "policy.activate"
"""What an activation is in the audit; its subject is the hash."""
_ABSENT = "(absent)"
_KEPT = 16
_PARSED: dict[str, Policy] = {}
"""By digest, which names one document for good: read and parsed once per process, and forgotten when there are many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorship:
    """Who stores a version, why, and when."""

    author: str
    note: str
    at: datetime


def ensure_initial_policy(database: Database, *, instant: bool, now: datetime) -> Policy:
    """The active policy; a fresh home first gets the shipped one, and the instant sandbox's as a second version.

    An active version of an earlier package is followed by the same policy with the keys that came since.
    """
    for _ in range(2):
        with database.read() as connection:
            found = rows.active(connection)
        if found is not None:
            return _brought_up(database, found, now)
        try:
            _store_shipped(database, instant=instant, now=now)
        except IntegrityError:  # another process was first: what it stored is read in the next round
            continue
    return active_policy(database)


def _brought_up(database: Database, found: StoredPolicy, now: datetime) -> Policy:
    policy = stored_policy(found.document)
    if policy.policy_version != found.policy_version:
        note = f"version {found.number} with the keys of {policy.policy_version}"
        activate(database, policy, Authorship(author=SHIPPED, note=note, at=now))
    return policy


def _store_shipped(database: Database, *, instant: bool, now: datetime) -> None:
    with database.write() as connection:
        _activate(connection, shipped_policy(), Authorship(author=SHIPPED, note="default of the package", at=now))
        if instant:
            note = "pacing of the instant sandbox"
            _activate(connection, shipped_policy(INSTANT_POLICY), Authorship(author=SHIPPED, note=note, at=now))


def active_policy(database: Database) -> Policy:
    """The active policy; raises PolicyError in a home that was never initialised."""
    with database.read() as connection:
        active = rows.active_hash(connection)
    if active is None:
        raise PolicyError("no policy is active: run `socialanalyzer db upgrade`")
    return policy_of_hash(database, active)


def policy_of_hash(database: Database, policy_hash: str) -> Policy:
    """A stored version by its digest, as batches pin it; raises PolicyError when it was never stored."""
    if (known := _PARSED.get(policy_hash)) is not None:
        return known
    with database.read() as connection:
        return policy_in(connection, policy_hash)


def policy_in(connection: Connection, policy_hash: str) -> Policy:
    """As `policy_of_hash`, within a transaction."""
    if (known := _PARSED.get(policy_hash)) is not None:
        return known
    found = rows.by_hash(connection, policy_hash)
    if found is None:
        raise PolicyError(f"policy {policy_hash[:12]} is not stored in this database")
    if len(_PARSED) >= _KEPT:
        _PARSED.clear()
    policy = _PARSED[policy_hash] = stored_policy(found.document)
    return policy


def take_file(database: Database, policy: Policy, by: Authorship) -> None:
    """Activate the policy of a configured file, unless the author took exactly this one last time.

    What people activated and confirmed since then stays until the file itself says something else.
    """
    with database.write() as connection:
        if audit_log.last_subject(connection, actor=by.author, action=ACTIVATED) != policy.digest:
            _activate(connection, policy, by)


def activate(database: Database, policy: Policy, by: Authorship) -> StoredPolicy:
    """Store the policy unless it is stored, and make it the active version; running batches keep theirs."""
    with database.write() as connection:
        return _activate(connection, policy, by)


def remember(database: Database, policy: Policy, by: Authorship) -> int:
    """Store the policy as a version that is not active, unless it is stored: scores may name it (spec 10.5).

    Returns the number of the version.
    """
    with database.write() as connection:
        return _stored(connection, policy, by).number


def _stored(connection: Connection, policy: Policy, by: Authorship) -> StoredPolicy:
    """The version of this policy, which is stored now if it was not."""
    before, digest = rows.active(connection), policy.digest
    if (known := rows.by_hash(connection, digest)) is not None:
        return known
    document = policy.document()
    new = StoredPolicy(
        policy_hash=digest,
        number=rows.next_number(connection),
        policy_version=policy.policy_version,
        document=document,
        author=by.author,
        note=by.note,
        diff=policy_diff(before.document, document) if before else {},
        created_at=by.at,
        is_active=False,
    )
    rows.insert_policy(connection, new)
    return new


def _activate(connection: Connection, policy: Policy, by: Authorship) -> StoredPolicy:
    version = _stored(connection, policy, by)
    rows.set_active(connection, version.policy_hash)
    audit_log.record(connection, at=by.at, actor=by.author, action=ACTIVATED, subject=version.policy_hash, note=by.note)
    return replace(version, is_active=True)


def policy_diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Changed leaves by key path: `{"limits.buckets.openai.concurrent": {"old": 20, "new": 40}}`."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return {
        path: {"old": before.get(path, _ABSENT), "new": after.get(path, _ABSENT)}
        for path in sorted({*before, *after})
        if before.get(path, _ABSENT) != after.get(path, _ABSENT)
    }


def _leaves(value: object, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        nested = [_leaves(each, f"{path}.{name}" if path else str(name)) for name, each in value.items()]
        return [leaf for leaves in nested for leaf in leaves]
    return [(path, value)] if path else []


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceConfirmation:
    """A person says that a price of the price table is right, or what it is."""

    key: str
    usd: Decimal
    by: str


def confirm_price(database: Database, confirmed: PriceConfirmation, now: datetime) -> StoredPolicy:
    """A new active version in which the price is `usd` and confirmed; raises PolicyError for an unknown price key."""
    policy = active_policy(database)
    if confirmed.key not in policy.prices:
        known = ", ".join(sorted(policy.prices))
        raise PolicyError(f"the price table has no '{confirmed.key}'; it has: {known}")
    document = policy.document()
    document["prices"][confirmed.key] |= {
        "usd": str(confirmed.usd),
        "confirmed_on": now.date().isoformat(),
        "confirmed_by": confirmed.by,
    }
    note = f"price of {confirmed.key} confirmed at {confirmed.usd} USD"
    return activate(database, parse_policy(document), Authorship(author=confirmed.by, note=note, at=now))
