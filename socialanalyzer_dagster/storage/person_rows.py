"""Rows that belong to leads: read for an export, emptied by an erasure, reduced when retention ends (spec 19)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select, update

from socialanalyzer_dagster.domain.contact_choice import EMAIL
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind, LeadRecord, reduced_record
from socialanalyzer_dagster.domain.suppression import identity_hash
from socialanalyzer_dagster.domain.types import JsonValue, LeadUid
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_crm import CrmLinkRow
from socialanalyzer_dagster.storage.models_leads import LeadAliasRow, LeadRow
from socialanalyzer_dagster.storage.models_results import (
    ContactCandidateRow,
    ContactValueRow,
    EmailVerificationRow,
    StageOutcomeRow,
)
from socialanalyzer_dagster.storage.person_registry import By, End, TableRule, rules_of

_LEADS = table_of(LeadRow)
_ALIASES = table_of(LeadAliasRow)
_OUTCOMES = table_of(StageOutcomeRow)
_LINKS = table_of(CrmLinkRow)
_VALUES = table_of(ContactValueRow)
_ERASED = select(_LEADS.c.lead_uid).where(
    _LEADS.c.lead_uid.in_(bindparam("leads", expanding=True)), _LEADS.c.erased_at.is_not(None)
)
_KEPT_DETAIL = frozenset({"scope"})
"""Names of outcome details that are codes of ours and are read later (budget scopes)."""

Rows = list[dict[str, Any]]


def rows_of_leads(connection: Connection, leads: Sequence[LeadUid]) -> dict[str, Rows]:
    """Table -> every row that belongs to these leads, as stored."""
    return {
        rule.table.name: [dict(row) for row in connection.execute(_of(rule.table, leads)).mappings()]
        for rule in rules_of(By.LEAD)
        if "lead_uid" in rule.table.c
    }


def _of(table: Table, leads: Sequence[LeadUid]) -> Any:  # noqa: ANN401 - a select of any row
    return select(table).where(table.c.lead_uid.in_(leads)).order_by(*table.primary_key.columns)


def clear_content(connection: Connection, leads: Sequence[LeadUid]) -> Counter[str]:
    """Empty everything about these leads that does not name them; returns rows by table. May be repeated."""
    return _cleared(connection, leads, [rule for rule in rules_of(By.LEAD) if not rule.holds_identity])


def clear_contacts(connection: Connection, leads: Sequence[LeadUid], *, but_address: bool = False) -> Counter[str]:
    """Remove what these leads are reached by, but for their rows, their other names and their CRM link.

    With `but_address` the chosen e-mail addresses stay, for a CRM that has still to be asked with them.
    """
    kept = (LeadRow, LeadAliasRow, CrmLinkRow, ContactValueRow)
    named = [rule for rule in rules_of(By.LEAD) if rule.holds_identity and rule.model not in kept]
    own = _VALUES.c.lead_uid.in_(leads)
    gone = delete(_VALUES).where(own, _VALUES.c.field != EMAIL) if but_address else delete(_VALUES).where(own)
    return _cleared(connection, leads, named) + Counter({_VALUES.name: connection.execute(gone).rowcount})


def verifications(connection: Connection, hashes: Sequence[str]) -> Rows:
    """What the verifier said about addresses, by keyed hash."""
    table = table_of(EmailVerificationRow)
    rows = connection.execute(select(table).where(table.c.email_hash.in_(hashes)).order_by(*table.primary_key.columns))
    return [dict(row) for row in rows.mappings()]


def forget_verifications(connection: Connection, email_hashes: Sequence[str]) -> int:
    """Remove what the verifier said about addresses, by keyed hash."""
    table = table_of(EmailVerificationRow)
    return connection.execute(delete(table).where(table.c.email_hash.in_(email_hashes))).rowcount


def _cleared(connection: Connection, leads: Sequence[LeadUid], rules: Sequence[TableRule]) -> Counter[str]:
    done: Counter[str] = Counter()
    for rule in rules:
        own = rule.table.c.lead_uid.in_(leads) if "lead_uid" in rule.table.c else None
        if own is None or rule.end is End.STAYS:
            continue
        if rule.end is End.DELETE:
            done[rule.table.name] = connection.execute(delete(rule.table).where(own)).rowcount
        elif rule.model is StageOutcomeRow:
            done[rule.table.name] = _strip_outcomes(connection, leads, rule.blanks)
        else:
            done[rule.table.name] = connection.execute(update(rule.table).where(own).values(**rule.blanks)).rowcount
    return done


def _strip_outcomes(connection: Connection, leads: Sequence[LeadUid], blanks: Mapping[str, object]) -> int:
    """Outcomes keep result, code, dates, money, and the counts in their detail, which figures of old batches use."""
    rows = connection.execute(select(_OUTCOMES.c.id, _OUTCOMES.c.detail).where(_OUTCOMES.c.lead_uid.in_(leads))).all()
    if rows:
        connection.execute(
            update(_OUTCOMES)
            .where(_OUTCOMES.c.id == bindparam("row"))
            .values(**{**blanks, "detail": bindparam("counts")}),
            [{"row": row.id, "counts": _counts(row.detail)} for row in rows],
        )
    return len(rows)


def _counts(detail: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: each for name, each in detail.items() if isinstance(each, int | float) or name in _KEPT_DETAIL}


def reduce_identities(
    connection: Connection, leads: Sequence[LeadUid], key: bytes, now: datetime
) -> dict[LeadUid, LeadRecord]:
    """Put a keyed hash in place of what names these leads; returns what their records are now.

    A later batch recognises the account by the hash (spec 6.6), a later request the person by the keyed hash of the
    address, which stays until the person is erased. Leads that are reduced already stay as they are.
    """
    blanks = next(rule.blanks for rule in rules_of(By.LEAD) if rule.model is LeadRow)
    rows = connection.execute(
        select(_LEADS.c.lead_uid, _LEADS.c.record).where(_LEADS.c.lead_uid.in_(leads), _LEADS.c.reduced_at.is_(None))
    ).all()
    reduced: dict[LeadUid, LeadRecord] = {}
    for row in rows:
        record = LeadRecord.model_validate(row.record)
        reduced[row.lead_uid] = reduced_record(record, identity_hash(record.platform, record.platform_id, key))
    if reduced:
        connection.execute(
            update(_LEADS)
            .where(_LEADS.c.lead_uid == bindparam("uid"))
            .values(
                **blanks,
                platform_id=bindparam("hash"),
                handle=bindparam("hash"),
                record=bindparam("facts"),
                reduced_at=now,
            ),
            [
                {"uid": uid, "hash": record.platform_id, "facts": record.model_dump(mode="json")}
                for uid, record in reduced.items()
            ],
        )
        _hash_aliases(connection, list(reduced), key)
    return reduced


def _hash_aliases(connection: Connection, leads: Sequence[LeadUid], key: bytes) -> None:
    rows = connection.execute(select(_ALIASES).where(_ALIASES.c.lead_uid.in_(leads))).mappings().all()
    connection.execute(delete(_ALIASES).where(_ALIASES.c.lead_uid.in_(leads)))
    hashed = {(row["platform"], identity_hash(row["platform"], row["alias"], key)): row["lead_uid"] for row in rows}
    if hashed:
        connection.execute(
            _ALIASES.insert(),
            [{"platform": platform, "alias": alias, "lead_uid": uid} for (platform, alias), uid in hashed.items()],
        )


def mark_erased(connection: Connection, leads: Sequence[LeadUid], now: datetime) -> None:
    """Nothing about these leads may be stored again."""
    connection.execute(update(_LEADS).where(_LEADS.c.lead_uid.in_(leads)).values(erased_at=now))


def mark_suppressed(connection: Connection, leads: Sequence[LeadUid], now: datetime) -> None:
    """These people are known to be on the list, and stopped everywhere."""
    connection.execute(update(_LEADS).where(_LEADS.c.lead_uid.in_(leads)).values(suppressed_at=now))


def suppressed_leads(connection: Connection) -> frozenset[LeadUid]:
    """Leads that are marked so."""
    found = connection.execute(select(_LEADS.c.lead_uid).where(_LEADS.c.suppressed_at.is_not(None)))
    return frozenset(LeadUid(uid) for uid in found.scalars())


def email_hashes(connection: Connection, leads: Sequence[LeadUid]) -> list[str]:
    """Keyed hashes of the chosen addresses of these leads."""
    found = connection.execute(select(_LEADS.c.email_hash).where(_LEADS.c.lead_uid.in_(leads)))
    return [keyed for keyed in found.scalars() if keyed is not None]


def forget_address_hashes(connection: Connection, leads: Sequence[LeadUid]) -> None:
    """Remove the keyed hashes of addresses from these leads."""
    connection.execute(update(_LEADS).where(_LEADS.c.lead_uid.in_(leads)).values(email_hash=None))


def tombstone_identifiers(connection: Connection, leads: Sequence[LeadUid]) -> list[Identifier]:
    """What the gates see of reduced leads: with these on the list, no stage ever works on what is left of them."""
    rows = connection.execute(
        select(_LEADS.c.platform, _LEADS.c.handle).where(_LEADS.c.lead_uid.in_(leads), _LEADS.c.reduced_at.is_not(None))
    )
    return [Identifier(IdentifierKind.HANDLE, f"{platform}:{handle}") for platform, handle in rows]


def forget_aliases(connection: Connection, leads: Sequence[LeadUid]) -> int:
    """Remove the other names of these leads."""
    return connection.execute(delete(_ALIASES).where(_ALIASES.c.lead_uid.in_(leads))).rowcount


def empty_links(connection: Connection, leads: Sequence[LeadUid]) -> None:
    """Forget what was written to the CRM, not which contact it was: our own contact must not look foreign (I-19)."""
    connection.execute(update(_LINKS).where(_LINKS.c.lead_uid.in_(leads)).values(written={}))


def forget_links(connection: Connection, leads: Sequence[LeadUid]) -> int:
    """Forget which CRM contacts these leads were."""
    return connection.execute(delete(_LINKS).where(_LINKS.c.lead_uid.in_(leads))).rowcount


def forget_candidates(connection: Connection, ids: Sequence[int]) -> int:
    """Remove single candidates of other leads that name the person."""
    table = table_of(ContactCandidateRow)
    return connection.execute(delete(table).where(table.c.id.in_(ids))).rowcount


def erased_leads(connection: Connection, leads: Sequence[LeadUid]) -> frozenset[LeadUid]:
    """Those of the leads about whom nothing may be stored."""
    found = connection.execute(_ERASED, {"leads": list(leads)})
    return frozenset(LeadUid(uid) for uid in found.scalars())
