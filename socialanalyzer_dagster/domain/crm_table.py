"""The table of contact properties under one policy: each with its owner, kind and options (spec 11.4)."""

from collections.abc import Mapping

from socialanalyzer_dagster.domain.crm_properties import (
    EMAIL_ALLOWED,
    EMAIL_NOT_ALLOWED,
    KINDS,
    UNIQUE_PROPERTY,
    VENDORS_OWN,
    CrmProperty,
    ValueKind,
    WriteRule,
)
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.policy import Policy


def crm_properties(policy: Policy) -> dict[str, CrmProperty]:
    """Every property that may be written, by name; one that the policy never writes is not among them."""
    legal_basis = policy.crm.legal_basis_property
    options = {**_own_options(policy), **_constant_options(policy)}
    return {
        name: CrmProperty(
            name=name,
            rule=rule,
            kind=_kind(name, options),
            label="Legal basis" if name == legal_basis else name.strip("_").replace("_", " ").capitalize(),
            options=options.get(name, ()),
            is_unique=name == UNIQUE_PROPERTY,
            is_vendors=name in VENDORS_OWN or name == legal_basis,
        )
        for name, rule in policy.crm.ownership.items()
        if rule is not WriteRule.NEVER
    }


def _kind(name: str, options: Mapping[str, tuple[str, ...]]) -> ValueKind:
    return KINDS.get(name, ValueKind.CHOICE if name in options else ValueKind.TEXT)


def _own_options(policy: Policy) -> dict[str, tuple[str, ...]]:
    """What the choices among our own properties take; tiers, categories and communities are words of the policy."""
    return {
        "email_verification_status": (EmailStatus.VALID.value, EmailStatus.CATCH_ALL.value, EmailStatus.UNKNOWN.value),
        "email_outreach": (EMAIL_ALLOWED, EMAIL_NOT_ALLOWED),
        "priority_tier": tuple(dict.fromkeys(row.tier for row in policy.tiers.rows)),
        "primary_category": tuple(policy.categories.labels.values()),
        "community_platforms_detected": (*policy.crm.community_labels.values(), policy.crm.no_community_label),
        "enrichment_status": ("success", "warning"),
    }


def _constant_options(policy: Policy) -> dict[str, tuple[str, ...]]:
    """The values that each constant has on any platform."""
    seen: dict[str, dict[str, None]] = {}
    for values in policy.crm.constants.values():
        for name, value in values.items():
            seen.setdefault(name, {})[value] = None
    return {name: tuple(values) for name, values in seen.items()}
