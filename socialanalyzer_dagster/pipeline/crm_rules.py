"""What the active policy says about contacts when a plan is made, beside the policy the batch pins (spec 11.2, 19).

What is recorded about privacy, notices and outreach holds from the moment it is recorded, as spending caps do: a lead
that was held is planned again under it. Scores, tiers and fields stay those of the batch's own policy.
"""

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import sha256_of
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.policies import active_policy

_PRIVACY = {"lawful_basis", "notice_plan", "notice_days"}
_CRM = {"sync_without_email", "deleted_contact"}


def planning_policy(batch: OpenBatch) -> Policy:
    """The batch's policy with the privacy, outreach and address rules of the active one."""
    active, pinned = active_policy(batch.workplace.database), batch.policy
    crm = pinned.crm.model_copy(update={name: getattr(active.crm, name) for name in _CRM})
    return pinned.model_copy(update={"privacy": active.privacy, "outreach": active.outreach, "crm": crm})


def rules_hash(policy: Policy) -> str:
    """The digest of those rules; a plan that was made under other ones is not written."""
    return sha256_of(
        {
            "privacy": policy.privacy.model_dump(mode="json", include=_PRIVACY),
            "outreach": policy.outreach.model_dump(mode="json"),
            "crm": policy.crm.model_dump(mode="json", include=_CRM),
        }
    )
