"""The CRM properties that the pipeline writes: which are missing, and creating them once (spec 11.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from socialanalyzer_dagster.domain.crm_properties import TYPES, CrmProperty
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.crm_validation import Definition
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.crm_contacts import Asker
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.vendors.hubspot import BATCH_LIMIT, HubSpot, Property, PropertyDefinition


@dataclass(frozen=True, slots=True)
class Shortcomings:
    """Properties the CRM lacks, and our unique one where it exists without unique values, which we cannot change.

    `unknown` are those that the policy only reads: an opt-out nobody can see would be no opt-out.
    """

    missing: tuple[str, ...]
    not_unique: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.not_unique or self.unknown)

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, for people."""
        texts = []
        if self.missing:
            texts.append(
                f"the CRM has no contact property {', '.join(self.missing)}: run `socialanalyzer crm setup` to create "
                f"{'it' if len(self.missing) == 1 else 'them'}"
            )
        if self.not_unique:
            texts.append(
                f"the contact property {', '.join(self.not_unique)} exists without unique values: delete it there, "
                "then run `socialanalyzer crm setup`"
            )
        if self.unknown:
            texts.append(
                f"the CRM has no contact property {', '.join(self.unknown)}, which the policy reads: correct "
                "`crm.opt_out_property` or `crm.outcomes`, or make it in the CRM"
            )
        return "; ".join(texts)


def shortcomings(existing: Sequence[Property], policy: Policy) -> Shortcomings:
    """Compare the account's properties with those of spec 11.4, and with those that are read (spec 11.7)."""
    by_name = {each.name: each for each in existing}
    table = crm_properties(policy)
    wanted = table.values()
    read = {policy.crm.opt_out_property, *(rule.property for rule in policy.crm.outcomes)}
    return Shortcomings(
        missing=tuple(sorted(each.name for each in wanted if each.name not in by_name)),
        not_unique=tuple(
            sorted(
                each.name
                for each in wanted
                if each.is_unique and each.name in by_name and by_name[each.name].has_unique_value is False
            )
        ),
        unknown=tuple(sorted(read - set(by_name) - set(table))),
    )


def definitions_of(existing: Sequence[Property]) -> dict[str, Definition]:
    """The account's properties by name, as values are checked against them; no options = any value is taken."""
    return {
        each.name: Definition(type=each.type, options=frozenset(option.value for option in each.options) or None)
        for each in existing
    }


async def missing_properties(calls: Asker, client: HubSpot, policy: Policy) -> Shortcomings:
    """What the CRM lacks now; raises CallFailed, and what keeps a call from going out, when it cannot be read."""
    existing = await calls.send(client.properties())
    return shortcomings(existing, policy)


async def create_missing(calls: Asker, client: HubSpot, policy: Policy) -> list[str]:
    """Create what is missing and return the names; a second call creates nothing.

    Raises CrmNotReady when the CRM still lacks something afterwards, CallFailed when it gives no usable answer, and
    what keeps a call from going out.
    """
    lacking = await missing_properties(calls, client, policy)
    wanted = crm_properties(policy)
    created: list[str] = []
    for names in parts((name for name in lacking.missing if not wanted[name].is_vendors), BATCH_LIMIT):
        made = await calls.send(client.create_properties([_definition(wanted[name]) for name in names]))
        created.extend(made)
    if lacking and (left := await missing_properties(calls, client, policy)):
        raise CrmNotReady(left.sentence)
    return sorted(created)


class CrmNotReady(BatchRefused):
    """The CRM cannot take our contacts yet; the text says what to do."""


def _definition(wanted: CrmProperty) -> PropertyDefinition:
    value_type, field_type = TYPES[wanted.kind]
    return PropertyDefinition(
        name=wanted.name,
        label=wanted.label,
        type=value_type,
        field_type=field_type,
        has_unique_value=wanted.is_unique,
        options=wanted.labels or None,
    )
