"""The contacts of the simulated HubSpot: records, the ways to name one, and the rules of a single write."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from socialanalyzer_dagster.sandbox.clock import iso_millis
from socialanalyzer_dagster.sandbox.store import Store
from socialanalyzer_dagster.sandbox.vendors.hubspot_properties import (
    LIFECYCLE_STAGES,
    JsonObject,
    Problem,
    PropertyBook,
    RefusedError,
    invalid,
)
from socialanalyzer_dagster.sandbox.vendors.hubspot_values import checked_values

KIND = "hubspot.contact"
BLOCKED = "hubspot.blocked_address"
_ALWAYS_READ = ("hs_object_id", "createdate", "lastmodifieddate")
_MERGED = "hs_merged_object_ids"
_READ_WHEN_UNASKED = ("email", "firstname", "lastname")


@dataclass
class Contact:
    """One CRM contact; `properties` holds only the values that are set, all of them text."""

    id: str
    properties: dict[str, str]
    created_at: datetime
    updated_at: datetime
    archived: bool = False

    def row(self) -> JsonObject:
        """Return the record as it is persisted."""
        return {
            "properties": self.properties,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "archived": self.archived,
        }

    @classmethod
    def from_row(cls, contact_id: str, row: Mapping[str, Any]) -> "Contact":
        """Return the record that `row` wrote."""
        created, updated = (datetime.fromisoformat(row[key]) for key in ("created_at", "updated_at"))
        return cls(contact_id, dict(row["properties"]), created, updated, bool(row["archived"]))

    def value(self, name: str) -> str | None:
        """Return a property's value, the three system ones included, or None when it is not set."""
        if name == "hs_object_id":
            return self.id
        if name in {"createdate", "lastmodifieddate"}:
            return iso_millis(self.created_at if name == "createdate" else self.updated_at)
        return self.properties.get(name) or None

    def body(self, names: Iterable[str] | None = None) -> JsonObject:
        """Return the record as HubSpot answers it, with the asked properties (None: the usual ones)."""
        wanted = [*(_READ_WHEN_UNASKED if names is None else names), *_ALWAYS_READ]
        values = {name: self.value(name) for name in wanted}
        return {
            "id": self.id,
            "properties": {name: value for name, value in values.items() if value is not None},
            "createdAt": iso_millis(self.created_at),
            "updatedAt": iso_millis(self.updated_at),
            "archived": self.archived,
        }


@dataclass
class ContactBook:
    """All contacts with their unique keys; every change goes into the store at once."""

    properties: PropertyBook
    store: Store
    seed: str
    contacts: dict[str, Contact] = field(default_factory=dict)
    _keys: dict[tuple[str, str], str] = field(default_factory=dict)
    _forgotten: set[str] = field(default_factory=set)

    def load(self, earlier: Iterable[Contact]) -> None:
        """Read the persisted contacts, and those of `earlier` that nobody has changed or deleted since."""
        for contact_id, row in self.store.items(KIND):
            if row.get("forgotten"):
                self._forgotten.add(contact_id)
            else:
                self._index(Contact.from_row(contact_id, row))
        for contact in earlier:
            if contact.id not in self.contacts and contact.id not in self._forgotten:
                self._index(contact)

    def find(self, value: str, id_property: str | None = None) -> Contact | None:
        """Return the live contact with this id or unique value; raises `RefusedError` 404/400 for a bad property."""
        name = id_property or "hs_object_id"
        if name not in self.properties.definitions:
            raise RefusedError(404, Problem("OBJECT_NOT_FOUND", f"Property {name} does not exist", about="idProperty"))
        if name not in self.properties.unique_names():
            raise invalid(f"Property {name} is not a unique property", code="NOT_UNIQUE", about="idProperty")
        found = self._by_id(value) if name == "hs_object_id" else self._by_key(name, value)
        return None if found is None or found.archived else found

    def find_archived(self, contact_id: str) -> Contact | None:
        """Return the archived contact with this id."""
        found = self.contacts.get(contact_id)
        return found if found is not None and found.archived else None

    def everyone(self) -> list[Contact]:
        """Return all live contacts, oldest first."""
        live = [contact for contact in self.contacts.values() if not contact.archived]
        return sorted(live, key=lambda contact: (contact.created_at, contact.id))

    def check_new(self, values: Mapping[str, object]) -> dict[str, str]:
        """Return the values a new contact would have; raises `RefusedError` (400; 409 naming the existing id)."""
        return self.check(values, owner=None)

    def check(self, values: Mapping[str, object], *, owner: str | None) -> dict[str, str]:
        """Return the values that a write to the contact `owner` would store; raises what `check_new` raises."""
        checked = self._checked(values)
        self._refuse_taken(checked, owner=owner)
        return checked

    def create(self, values: Mapping[str, object], *, now: datetime) -> Contact:
        """Make a contact; raises what `check_new` raises."""
        checked = self.check_new(values)
        contact = Contact(self._new_id(checked), {}, now, now)
        return self._written(contact, checked, now)

    def update(
        self, contact: Contact, values: Mapping[str, object], *, now: datetime, blank_others: bool = False
    ) -> Contact:
        """Change a contact; `blank_others` clears what is not named, as a non-partial upsert may do (contracts 8.1)."""
        checked = self.check(values, owner=contact.id)
        if blank_others:
            kept = self.properties.unique_names() | set(checked)
            checked = {**{name: "" for name in contact.properties if name not in kept}, **checked}
        return self._written(contact, checked, now)

    def merge(self, primary: Contact, other: Contact, *, now: datetime) -> Contact:
        """Return one contact of two: the primary's values, blanks filled from the other, answering for both ids."""
        merged = ";".join(dict.fromkeys([*_merged_ids(primary), other.id, *_merged_ids(other)]))
        values = {**other.properties, **primary.properties, _MERGED: merged}
        self.archive(other, now=now)
        self._unindex(primary)
        primary.properties, primary.updated_at = values, now
        self._index(primary)
        self.store.put(KIND, primary.id, primary.row())
        return primary

    def archive(self, contact: Contact, *, now: datetime) -> None:
        """Move a contact to the recycle bin; its unique values become free."""
        self._unindex(contact)
        contact.archived, contact.updated_at = True, now
        self.store.put(KIND, contact.id, contact.row())

    def forget(self, contact: Contact) -> None:
        """Delete a contact for good; only its id stays known, so that it never names somebody else."""
        self._unindex(contact)
        self.contacts.pop(contact.id, None)
        self._forgotten.add(contact.id)
        self.store.put(KIND, contact.id, {"forgotten": True})

    def block(self, address: str) -> None:
        """Take this address from nobody any more (what an erase call does); only its digest is kept."""
        self.store.put(BLOCKED, _digest(address), True)

    def _checked(self, values: Mapping[str, object]) -> dict[str, str]:
        checked, problems = checked_values(self.properties, values)
        if checked.get("email") and self.store.get(BLOCKED, _digest(checked["email"])):
            problems.append(Problem("VALIDATION_ERROR", "This address cannot be used", "EMAIL_BLOCKED", "email"))
        if problems:
            raise RefusedError(400, *problems)
        return checked

    def _refuse_taken(self, checked: Mapping[str, str], *, owner: str | None) -> None:
        for name in sorted(self.properties.unique_names() & set(checked)):
            other = self._by_key(name, checked[name]) if checked[name] else None
            if other is not None and other.id != owner:
                message = f"Contact already exists. Existing ID: {other.id}"
                raise RefusedError(409, Problem("CONFLICT", message, about=name))

    def _written(self, contact: Contact, checked: Mapping[str, str], now: datetime) -> Contact:
        self._unindex(contact)
        values = {**contact.properties, **_forward_only(contact.properties, checked)}
        changed = {name: value for name, value in values.items() if value}
        if changed != contact.properties:
            contact.properties, contact.updated_at = changed, now
        self._index(contact)
        self.store.put(KIND, contact.id, contact.row())
        return contact

    def _by_id(self, contact_id: str) -> Contact | None:
        """The contact with this id, or the one it was merged into."""
        found = self.contacts.get(contact_id)
        if found is None or not found.archived:
            return found
        return next(
            (one for one in self.contacts.values() if contact_id in _merged_ids(one) and not one.archived), found
        )

    def _by_key(self, name: str, value: str) -> Contact | None:
        contact_id = self._keys.get((name, value.lower() if name == "email" else value))
        return self.contacts.get(contact_id) if contact_id else None

    def _index(self, contact: Contact) -> None:
        self.contacts[contact.id] = contact
        if not contact.archived:
            for name in self.properties.unique_names():
                if contact.properties.get(name):
                    self._keys[name, contact.properties[name]] = contact.id

    def _unindex(self, contact: Contact) -> None:
        for name in self.properties.unique_names():
            if self._keys.get((name, contact.properties.get(name, ""))) == contact.id:
                del self._keys[name, contact.properties[name]]

    def _new_id(self, checked: Mapping[str, str]) -> str:
        unique = sorted((name, checked[name]) for name in self.properties.unique_names() if checked.get(name))
        basis = repr([self.seed, unique or sorted(checked.items())])
        for ordinal in range(len(self.contacts) + len(self._forgotten) + 1):
            contact_id = numeric_id(basis, ordinal)
            if contact_id not in self.contacts and contact_id not in self._forgotten:
                return contact_id
        raise AssertionError("more ids are taken than exist")


def _digest(address: str) -> str:
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()


def _merged_ids(contact: Contact) -> list[str]:
    return [one for one in contact.properties.get(_MERGED, "").split(";") if one]


def numeric_id(basis: str, ordinal: int = 0) -> str:
    """Return a HubSpot-like record id that depends on its basis alone, not on the order of requests."""
    digest = hashlib.sha256(f"{basis}|{ordinal}".encode()).digest()
    return str(10**10 + int.from_bytes(digest[:8], "big") % (9 * 10**10))


def _forward_only(present: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """Leave out a lifecycle stage that would move back (contracts 8.1 rule 4); HubSpot ignores it without an error."""
    before, after = present.get("lifecyclestage"), asked.get("lifecyclestage")
    moves_back = before and after and LIFECYCLE_STAGES.index(after) < LIFECYCLE_STAGES.index(before)
    return {name: value for name, value in asked.items() if not (moves_back and name == "lifecyclestage")}
