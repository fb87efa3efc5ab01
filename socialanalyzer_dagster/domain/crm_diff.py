"""Compares what a lead should be in the CRM with what is there: plan rows with old -> new, and the hash (11.2)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from socialanalyzer_dagster.domain.crm_equality import is_equal
from socialanalyzer_dagster.domain.crm_properties import (
    BDR_PROPERTY,
    UNIQUE_PROPERTY,
    CrmProperty,
    ValueKind,
    WriteRule,
)
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.outcomes import HELD
from socialanalyzer_dagster.domain.outreach import OutreachDecision, email_refusal
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import JsonObject, LeadUid, sha256_of

RELEASED_NOTE = "released:"
"""Beginning of the mark of a property that is left to the people who edited it."""
EMAIL = "email"
ABOUT_EMAIL = frozenset({"email_verification_status", "contact_source"})
"""What is said of the address that we found, and of no other."""


class Action(StrEnum):
    """What a plan does with one lead."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    HELD = "held"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Change:
    """One field; an old value of None is blank."""

    old: str | None
    new: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The fields of our latest write, whose answer may have been lost; so may an undo's (`is_taken_back`)."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    is_taken_back: bool = False

    @property
    def values(self) -> dict[str, str]:
        """What stands in the CRM if the write was carried out."""
        return {name: change.new for name, change in self.changes.items()}

    def accounts_for(self, kind: ValueKind, name: str, value: str | None) -> bool:
        """True when the write, or its undo, would have left this value."""
        change = self.changes.get(name)
        if change is None:
            return False
        if self.is_taken_back and (value is None if change.old is None else is_equal(kind, value, change.old)):
            return True
        return is_equal(kind, value, change.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmContact:
    """A contact as it is now; `is_ours` = this project made it for this lead (by creator_uid or by our link table).

    `written` are the values we know that we wrote last, `sent` what we may have written after that, `released` the
    properties that somebody edited since: theirs for good.
    """

    object_id: str
    properties: Mapping[str, str | None]
    is_ours: bool
    written: Mapping[str, str] = field(default_factory=dict)
    released: frozenset[str] = frozenset()
    sent: Sent = field(default_factory=Sent)

    def value(self, name: str) -> str | None:
        """The value of a property; None when it is blank."""
        return self.properties.get(name) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedContact:
    """A lead that passed scored, with the values it should have; `is_overridden` = a person set its tier."""

    uid: LeadUid
    properties: Mapping[str, str]
    tier: str | None
    email_status: EmailStatus | None
    outreach: OutreachDecision
    is_overridden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One row of a plan; `reason` is a code of synced for held and rejected rows.

    `bdr` is the name dealt to a create row, `notes` are marks for the people who approve.
    """

    uid: LeadUid
    action: Action
    reason: str | None = None
    changes: Mapping[str, Change] = field(default_factory=dict)
    crm_object_id: str | None = None
    tier: str | None = None
    bdr: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def released(self) -> frozenset[str]:
        """Properties that the row leaves to the people who edited them."""
        marks = (note for note in self.notes if note.startswith(RELEASED_NOTE))
        return frozenset(mark.removeprefix(RELEASED_NOTE) for mark in marks)

    def document(self) -> JsonObject:
        """The canonical JSON of the row: what is stored and hashed."""
        return {
            "uid": self.uid,
            "action": self.action,
            "reason": self.reason,
            "changes": {name: {"old": change.old, "new": change.new} for name, change in self.changes.items()},
            "crm_object_id": self.crm_object_id,
            "tier": self.tier,
            "bdr": self.bdr,
            "notes": list(self.notes),
        }


def plan_row(
    proposed: ProposedContact,
    contact: CrmContact | None,
    *,
    properties: Mapping[str, CrmProperty],
    policy: Policy,
) -> PlanRow:
    """What to do with one lead: refusals first, then the fields by their write rules (spec 8.6, 11.2, 11.4, 19.3)."""
    row = PlanRow(
        uid=proposed.uid,
        action=Action.CREATE,
        crm_object_id=None if contact is None else contact.object_id,
        tier=proposed.tier,
        notes=_notes(proposed),
    )
    if (code := _refusal(proposed, contact, policy)) is not None:
        return replace(row, action=Action.HELD if code in HELD else Action.REJECTED, reason=code)
    desired = proposed.properties
    changes = field_changes(desired, contact, properties)
    if contact is None:
        return replace(row, changes=changes)
    if EMAIL not in changes and _has_another_address(contact, desired):
        desired = {name: value for name, value in desired.items() if name not in ABOUT_EMAIL}
        changes = {name: change for name, change in changes.items() if name not in ABOUT_EMAIL}
    notes = (*row.notes, *(f"{RELEASED_NOTE}{name}" for name in _left_alone(desired, contact, properties)))
    return replace(row, action=Action.UPDATE if changes else Action.UNCHANGED, changes=changes, notes=notes)


def field_changes(
    desired: Mapping[str, str], contact: CrmContact | None, properties: Mapping[str, CrmProperty]
) -> dict[str, Change]:
    """Property -> change, in the order of names; raises KeyError for a property that the table does not list.

    An existing contact that does not carry our unique value gets it, so that the next upsert finds it (spec 11.3).
    """
    rules = {name: properties[name] for name in sorted(desired)}
    if contact is None:
        return {name: Change(None, desired[name]) for name in rules}
    released = released_properties(contact, properties)
    changes = {}
    for name, known in rules.items():
        old, new = contact.value(name), desired[name]
        is_key = name == UNIQUE_PROPERTY and old is None
        if is_key or (name not in released and _is_written(known, old, new)):
            changes[name] = Change(old, new)
    return changes


def _has_another_address(contact: CrmContact, desired: Mapping[str, str]) -> bool:
    held = contact.value(EMAIL)
    return held is not None and not is_equal(ValueKind.EMAIL, held, desired.get(EMAIL, ""))


def _left_alone(
    desired: Mapping[str, str], contact: CrmContact, properties: Mapping[str, CrmProperty]
) -> Iterator[str]:
    """Released properties that would be written otherwise."""
    for name in sorted(released_properties(contact, properties) & set(desired)):
        if _is_written(properties[name], contact.value(name), desired[name]):
            yield name


def released_properties(contact: CrmContact, properties: Mapping[str, CrmProperty]) -> frozenset[str]:
    """What belongs to the people of the CRM now: edited or cleared since we wrote it, or filled before we came."""
    edited = {
        name
        for name, value in contact.written.items()
        if name in properties and name != UNIQUE_PROPERTY
        if not is_equal(properties[name].kind, contact.value(name), value)
        if not contact.sent.accounts_for(properties[name].kind, name, contact.value(name))
    }
    if contact.is_ours:
        return contact.released | edited
    theirs = {name for name, known in properties.items() if known.rule is WriteRule.OURS and contact.value(name)}
    return contact.released | edited | theirs


def arrived_values(contact: CrmContact, properties: Mapping[str, CrmProperty]) -> dict[str, str]:
    """What our latest write left in the CRM although nobody could tell us so."""
    return {
        name: value
        for name, value in contact.sent.values.items()
        if name in properties and contact.written.get(name) != value
        if is_equal(properties[name].kind, contact.value(name), value)
    }


def with_bdr(row: PlanRow, name: str, owner_id: str) -> PlanRow:
    """A create row dealt to a BDR (spec 11.5)."""
    return replace(row, bdr=name, changes={**row.changes, BDR_PROPERTY: Change(None, owner_id)})


def without_bdr(row: PlanRow) -> PlanRow:
    """A create row that needs a BDR while none is active: held, with nothing to write."""
    return replace(row, action=Action.HELD, reason="held_no_bdr", changes={})


def plan_hash(rows: Iterable[PlanRow]) -> str:
    """SHA-256 of the canonical rows, whatever their order; the approval approves exactly this (spec 11.2)."""
    documents: list[JsonObject] = sorted((row.document() for row in rows), key=lambda document: str(document["uid"]))
    return sha256_of(documents)


def sealed_hash(number: int, rows: Iterable[PlanRow]) -> str:
    """What an approval approves: these rows as the n-th plan of the batch, so that no later plan inherits it."""
    return sha256_of({"number": number, "rows": plan_hash(rows)})


def _notes(proposed: ProposedContact) -> tuple[str, ...]:
    marks = {
        "country_assumed": proposed.outreach.is_assumed,
        "no_email_outreach": not proposed.outreach.email_allowed,
        "tier_overridden": proposed.is_overridden,
    }
    return tuple(mark for mark, holds in marks.items() if holds)


def _refusal(proposed: ProposedContact, contact: CrmContact | None, policy: Policy) -> str | None:
    if contact is not None and not contact.is_ours and policy.crm.existing_contact == "skip":
        return "already_in_crm"
    email = proposed.properties.get(EMAIL)
    return email_refusal(email, proposed.email_status, policy) or proposed.outreach.code


def _is_written(known: CrmProperty, old: str | None, new: str) -> bool:
    if known.rule is WriteRule.ON_CREATE:
        return False
    if known.rule is WriteRule.IF_BLANK:
        return old is None
    return not is_equal(known.kind, old, new)
