"""Where things are in the versions of the HubSpot API (vendor-contracts section 8)."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are in one version of the API."""

    contacts: str
    owners: str
    properties: str

    @classmethod
    def of(cls, version: str) -> "Paths":
        """`v3` or a date like `2026-03`; raises ValueError for anything else."""
        if version == "v3":
            return cls("/crm/v3/objects/contacts", "/crm/v3/owners", "/crm/v3/properties/contacts")
        if re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", version):
            contacts, properties = f"/crm/objects/{version}/contacts", f"/crm/properties/{version}/contacts"
            return cls(contacts, f"/crm/owners/{version}", properties)
        raise ValueError("the HubSpot API version is 'v3' or a month such as '2026-03'")
