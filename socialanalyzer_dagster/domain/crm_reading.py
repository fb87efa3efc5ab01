"""What a contact of ours says about its life in the CRM: owner, opt-out, outcome (spec 11.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.crm_properties import BDR_PROPERTY, OWNER_PROPERTY
from socialanalyzer_dagster.domain.policy_crm import CrmOutcome, CrmPolicy, OutcomeRule

_YES = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One contact as it was read; `owner_id` and `outcome` are None while nobody has said."""

    owner_id: str | None
    outcome: CrmOutcome | None
    opted_out: bool


def read_properties(crm: CrmPolicy) -> tuple[str, ...]:
    """The properties that a reading needs."""
    named = (OWNER_PROPERTY, BDR_PROPERTY, "email", crm.opt_out_property, *(rule.property for rule in crm.outcomes))
    return tuple(dict.fromkeys(named))


def reading(properties: Mapping[str, str | None], crm: CrmPolicy) -> Reading:
    """What these values mean under a policy."""
    return Reading(
        owner_id=properties.get(OWNER_PROPERTY) or properties.get(BDR_PROPERTY) or None,
        outcome=outcome_of(properties, crm.outcomes),
        opted_out=has_opted_out(properties, crm),
    )


def has_opted_out(properties: Mapping[str, str | None], crm: CrmPolicy) -> bool:
    """True for somebody who asked the CRM for no more mail."""
    return properties.get(crm.opt_out_property) == _YES


def outcome_of(properties: Mapping[str, str | None], rules: Sequence[OutcomeRule]) -> CrmOutcome | None:
    """The outcome of the first rule that fits."""
    return next((rule.outcome for rule in rules if properties.get(rule.property) == rule.value), None)
