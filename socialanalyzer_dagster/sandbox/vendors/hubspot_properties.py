"""Contact property definitions of the simulated HubSpot: the ones every account has, and new ones."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from socialanalyzer_dagster.sandbox.store import Store

JsonObject = dict[str, Any]

MOST_UNIQUE_PROPERTIES = 10
LIFECYCLE_STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
LEGAL_BASES = (
    "Legitimate interest - prospect/lead",
    "Legitimate interest - existing customer",
    "Legitimate interest - other",
    "Performance of a contract",
    "Freely given consent from contact",
    "Not applicable",
)
LEAD_STATUSES = ("NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED")
GROUPS = ("contactinformation", "emailinformation", "conversioninformation", "socialmediainformation", "contactlcs")
TYPES: Mapping[str, frozenset[str]] = {
    "string": frozenset({"text", "textarea", "phonenumber", "file", "html", "calculation_equation"}),
    "number": frozenset({"number", "calculation_equation"}),
    "bool": frozenset({"booleancheckbox", "calculation_equation"}),
    "enumeration": frozenset({"select", "radio", "checkbox", "booleancheckbox", "calculation_equation"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"date"}),
    "phone_number": frozenset({"phonenumber"}),
}

_KIND = "hubspot.property"
_ACCOUNT_MADE_AT = "2025-01-06T08:00:00.000Z"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


@dataclass(frozen=True)
class Problem:
    """Why HubSpot refuses a record or a request: error category, sentence, code and the property it is about."""

    category: str
    message: str
    code: str = ""
    about: str = ""

    def detail(self) -> JsonObject:
        """Return the entry of the `errors` list of an error body."""
        found: JsonObject = {"message": self.message}
        if self.code:
            found["code"] = self.code
        if self.about:
            found["in"] = self.about
        return found


class RefusedError(Exception):
    """A request or a record that HubSpot does not take, with the status a single call answers and the problems."""

    def __init__(self, status: int, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.status = status
        self.problems = problems


def invalid(message: str, *, code: str = "", about: str = "") -> RefusedError:
    """Return the 400 `VALIDATION_ERROR` with this sentence (contracts 8.2, 8.3)."""
    return RefusedError(400, Problem("VALIDATION_ERROR", message, code, about))


@dataclass
class PropertyBook:
    """All contact property definitions by name, as JSON objects in HubSpot's own shape."""

    store: Store
    owner_ids: frozenset[str]
    definitions: dict[str, JsonObject] = field(default_factory=dict)
    _unique: set[str] = field(default_factory=set)

    @classmethod
    def stored(cls, store: Store, owner_ids: frozenset[str]) -> "PropertyBook":
        """Return the definitions every account has and those kept in the store."""
        book = cls(store, owner_ids)
        book.add_defaults(_ACCOUNT_MADE_AT)
        for _name, definition in store.items(_KIND):
            book.keep(definition)
        return book

    def add_defaults(self, created_at: str) -> None:
        """Add the properties that every HubSpot account has."""
        for name, label, kind, field_type in _DEFAULTS:
            values = _DEFAULT_OPTIONS.get(name, ())
            request = {"name": name, "label": label, "type": kind, "fieldType": field_type, "groupName": GROUPS[0]}
            definition = _stored({**request, "options": [{"label": v, "value": v} for v in values]}, created_at)
            read_only = name in _READ_ONLY
            definition["hubspotDefined"] = True
            definition["modificationMetadata"] = {
                "archivable": False,
                "readOnlyDefinition": True,
                "readOnlyOptions": True,
                "readOnlyValue": read_only,
            }
            definition["hasUniqueValue"] = name in {"email", "hs_object_id"}
            definition["externalOptions"] = name == "hubspot_owner_id"
            self.keep(definition)

    def keep(self, definition: JsonObject) -> None:
        """Add a definition that was checked before."""
        self.definitions[definition["name"]] = definition
        if definition["hasUniqueValue"]:
            self._unique.add(definition["name"])

    def create(self, request: Mapping[str, Any], *, created_at: str) -> JsonObject:
        """Check a PropertyCreate body and keep it; raises `RefusedError` (400; 409 when the name exists)."""
        for key in ("name", "label", "type", "fieldType", "groupName"):
            if not isinstance(request.get(key), str) or not request[key]:
                raise invalid(f"Some required fields were not set: [{key}]", code="REQUIRED_FIELD", about=key)
        name = str(request["name"]).lower()
        if not _NAME.fullmatch(name):
            raise invalid(f"Property name {name!r} must start with a letter and hold a-z, 0-9 and _ only", about="name")
        if name in self.definitions:
            raise RefusedError(409, Problem("OBJECT_ALREADY_EXISTS", f"A property named '{name}' already exists."))
        _check_kind(request)
        if (
            request.get("hasUniqueValue")
            and len(self.unique_names() - {"email", "hs_object_id"}) >= MOST_UNIQUE_PROPERTIES
        ):
            raise invalid(f"No more than {MOST_UNIQUE_PROPERTIES} properties with unique values are allowed.")
        self.keep(_stored({**request, "name": name}, created_at))
        self.store.put(_KIND, name, self.definitions[name])
        return self.definitions[name]

    def change(self, name: str, request: Mapping[str, Any], *, changed_at: str) -> JsonObject:
        """Apply a PATCH to a definition; raises `RefusedError` 404 for an unknown name, 400 for a fixed one."""
        definition = self.get(name)
        if definition.get("hubspotDefined"):
            raise invalid(f"The definition of {name} is read only.", about=name)
        changes = {key: request[key] for key in _CHANGEABLE if key in request}
        _check_kind({**definition, **changes})
        definition.update(_stored({**definition, **changes}, definition["createdAt"]))
        definition["updatedAt"] = changed_at
        self.store.put(_KIND, name, definition)
        return definition

    def get(self, name: str) -> JsonObject:
        """Return one definition; raises `RefusedError` 404 when there is none."""
        if name not in self.definitions:
            raise RefusedError(404, Problem("OBJECT_NOT_FOUND", f"Property {name} does not exist"))
        return self.definitions[name]

    def unique_names(self) -> set[str]:
        """Return the names of properties whose values are unique, so that they identify a contact."""
        return self._unique

    def allowed_options(self, definition: JsonObject) -> frozenset[str]:
        """Return the values an enumeration takes; those of an owner property are the owners' ids."""
        if definition.get("externalOptions"):
            return self.owner_ids
        return frozenset(str(option["value"]) for option in definition["options"])


def _check_kind(request: Mapping[str, Any]) -> None:
    kind, field_type = request["type"], request["fieldType"]
    if kind not in TYPES:
        raise invalid(f"{kind} is not a property type", code="INVALID_TYPE", about="type")
    if field_type not in TYPES[kind]:
        raise invalid(
            f"fieldType {field_type} does not go with type {kind}", code="INVALID_FIELD_TYPE", about="fieldType"
        )
    if request["groupName"] not in GROUPS:
        raise invalid(f"Property group {request['groupName']} does not exist", about="groupName")
    values = [option.get("value") for option in request.get("options") or ()]
    if kind == "enumeration" and not values:
        raise invalid("An enumeration needs options", code="REQUIRED_FIELD", about="options")
    if len(values) != len(set(values)):
        raise invalid("Property option values must be unique", about="options")


def _stored(request: Mapping[str, Any], created_at: str) -> JsonObject:
    options = [
        {
            "label": str(option["label"]),
            "value": str(option["value"]),
            "displayOrder": int(option.get("displayOrder", order)),
            "hidden": bool(option.get("hidden", False)),
        }
        for order, option in enumerate(_options(request))
    ]
    return {
        "name": request["name"],
        "label": request["label"],
        "type": request["type"],
        "fieldType": request["fieldType"],
        "groupName": request["groupName"],
        "description": str(request.get("description") or ""),
        "options": options,
        "displayOrder": int(request.get("displayOrder", -1)),
        "hasUniqueValue": bool(request.get("hasUniqueValue", False)),
        "hidden": bool(request.get("hidden", False)),
        "formField": bool(request.get("formField", False)),
        "archived": False,
        "calculated": False,
        "externalOptions": bool(request.get("externalOptions", False)),
        "createdAt": created_at,
        "updatedAt": created_at,
        "modificationMetadata": {
            "archivable": True,
            "readOnlyDefinition": False,
            "readOnlyOptions": False,
            "readOnlyValue": False,
        },
    }


def _options(request: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    if request["type"] == "bool" and not request.get("options"):
        return ({"label": "Yes", "value": "true"}, {"label": "No", "value": "false"})
    return request.get("options") or ()


_READ_ONLY = frozenset({"createdate", "lastmodifieddate", "hs_object_id", "hs_merged_object_ids"})
_CHANGEABLE = ("label", "type", "fieldType", "groupName", "description", "options", "displayOrder", "hidden")
_DEFAULTS = (
    ("email", "Email", "string", "text"),
    ("firstname", "First Name", "string", "text"),
    ("lastname", "Last Name", "string", "text"),
    ("phone", "Phone Number", "string", "phonenumber"),
    ("mobilephone", "Mobile Phone Number", "string", "phonenumber"),
    ("company", "Company Name", "string", "text"),
    ("jobtitle", "Job Title", "string", "text"),
    ("website", "Website URL", "string", "text"),
    ("address", "Street Address", "string", "text"),
    ("city", "City", "string", "text"),
    ("state", "State/Region", "string", "text"),
    ("zip", "Postal Code", "string", "text"),
    ("country", "Country/Region", "string", "text"),
    ("twitterhandle", "Twitter Username", "string", "text"),
    ("lifecyclestage", "Lifecycle Stage", "enumeration", "radio"),
    ("hs_lead_status", "Lead Status", "enumeration", "radio"),
    ("hs_legal_basis", "Legal basis for processing contact's data", "enumeration", "checkbox"),
    ("hs_email_optout", "Unsubscribed from all email", "bool", "booleancheckbox"),
    ("hubspot_owner_id", "Contact owner", "enumeration", "select"),
    ("createdate", "Create Date", "datetime", "date"),
    ("lastmodifieddate", "Last Modified Date", "datetime", "date"),
    ("hs_object_id", "Record ID", "number", "number"),
    ("hs_merged_object_ids", "Merged record IDs", "string", "text"),
)
_DEFAULT_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "lifecyclestage": LIFECYCLE_STAGES,
    "hs_legal_basis": LEGAL_BASES,
    "hs_lead_status": LEAD_STATUSES,
}
