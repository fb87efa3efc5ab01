"""Stored versions of the policy as people see and name them: by number, or by the beginning of their hash (spec 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.policy import Policy, PolicyError, stored_policy
from socialanalyzer_dagster.pipeline.policies import ACTIVATED, SHIPPED, Authorship, policy_diff, remember
from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage import policies as rows
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.policies import StoredPolicy

_LEAST_CHARS = 6
"""A shorter beginning of a hash could be taken for a number."""


def version_named(connection: Connection, name: str) -> StoredPolicy:
    """The version of a number or the beginning of a hash; raises PolicyError, which says what to write instead."""
    versions = rows.versions(connection)
    found = [each for each in versions if name in (str(each.number), each.policy_hash)]
    if not found and len(name) >= _LEAST_CHARS:
        found = [each for each in versions if each.policy_hash.startswith(name.lower())]
    if len(found) != 1:
        raise PolicyError(f"no policy version is named '{name}': write a number of `policy list`, or a hash")
    return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A policy to work with, and the number under which it is stored."""

    number: int
    policy: Policy


def version_to_use(database: Database, name: str, now: datetime) -> Version:
    """The policy of a version, or the active one without a name; raises PolicyError for a name that nothing has.

    What an earlier package stored has the keys that came since, and is a version of its own.
    """
    with database.read() as connection:
        found = version_named(connection, name or str(rows.active_hash(connection)))
    policy = stored_policy(found.document)
    note = f"version {found.number} with the keys of {policy.policy_version}"
    number = remember(database, policy, Authorship(author=SHIPPED, note=note, at=now))
    return Version(number=number, policy=policy)


def version_list(connection: Connection) -> list[dict[str, Any]]:
    """Every version, newest first, with who stored it and why, and who activated it last, when and why.

    `activated` is None for a version that was never active, such as one that history was only re-scored under.
    """
    activations = audit_log.last_of_each(connection, action=ACTIVATED)
    return [_listed(each, activations.get(each.policy_hash)) for each in rows.versions(connection)]


def _listed(version: StoredPolicy, activation: audit_log.Deed | None) -> dict[str, Any]:
    return {
        "number": version.number,
        "hash": version.policy_hash,
        "policy_version": version.policy_version,
        "active": version.is_active,
        "author": version.author,
        "note": version.note,
        "created_at": version.created_at,
        "changed": len(version.diff),
        "activated": None
        if activation is None
        else {"at": activation.at, "by": activation.actor, "note": activation.detail.get("note", "")},
    }


def version_diff(connection: Connection, old: str | None, new: str) -> dict[str, Any]:
    """What differs between two versions, or, without `old`, what `new` changed of the one active when it was stored."""
    version = version_named(connection, new)
    if old is None:
        return {"from": None, "to": version.number, "diff": version.diff}
    before = version_named(connection, old)
    diff: Mapping[str, Any] = policy_diff(before.document, version.document)
    return {"from": before.number, "to": version.number, "diff": diff}
