"""When a person must say yes before contacts are written (spec 15.2)."""

from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import Stage


def needs_person(policy: Policy, *, contacts: int, spend_micros: int) -> bool:
    """True where the policy asks for approval of the sync, and always above its contacts or its spend."""
    gates = policy.gates
    if gates.requires_approval.get(Stage.SYNCED, True):
        return True
    return contacts > gates.person_above_contacts or spend_micros > micros_from_usd(gates.person_above_usd)
