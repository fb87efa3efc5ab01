"""What becomes of leads whose vendor is away longer than they wait: skipped until it is back, or a pause (13.2)."""

from datetime import UTC, datetime

from socialanalyzer_dagster.domain.breaker import rule_of
from socialanalyzer_dagster.domain.crm_waits import DAILY_LIMIT
from socialanalyzer_dagster.domain.outcomes import Outcome, skipped
from socialanalyzer_dagster.domain.policy_money import OnOpen
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.sentences import leads
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage import outcome_fills, outcome_sets
from socialanalyzer_dagster.storage.outcome_fills import Fill
from socialanalyzer_dagster.storage.outcome_sets import LATEST_POSITION

_USED_UP = frozenset({"rate_limit_reached", DAILY_LIMIT})
_NEVER_SKIPPED = frozenset({Stage.DISCOVERED, Stage.SYNCED})
"""A search that was not made has no leads to skip, and a row of a plan says for itself how its write ended."""


def wait_for_provider(
    batch: OpenBatch, stage: Stage, away: ProviderUnavailable, *, until: datetime, within: int = LATEST_POSITION
) -> str | None:
    """Skip the leads that are left, which then are done when the vendor is back; None, as the batch goes on.

    Where there is nobody to skip, or the policy says pause, the batch pauses: the sentence that says so.
    """
    on_open = rule_of(batch.policy.breakers, away.vendor).on_open
    left = 0
    if stage not in _NEVER_SKIPPED and on_open is OnOpen.SKIP:
        left = _skip(batch, stage, away, within)
    if left:
        why = f"{leads(left)} could not be {stage}, because {_cause(away)}"
        batch.wait_for(away.vendor, until, f"{why}; they are done by themselves {_when(until)}.")
        return None
    batch.halt()
    sentence = f"{_cause(away)}; the batch goes on by itself {_when(until)}"
    batch.become(BatchStatus.PAUSED, sentence)
    batch.wait_for(away.vendor, until, sentence)
    return sentence


def wait_for_missed(batch: OpenBatch, stage: Stage) -> None:
    """Leads that the stage gave up one by one, because a vendor was away, wait for it too (spec 13.2)."""
    with batch.workplace.database.read() as connection:
        waits = outcome_sets.waits_of(connection, batch.row.batch_id, stage)
    if not waits or batch.row.waits_for is not None:
        return
    vendor = str(waits[0].get("vendor"))
    known = [datetime.fromisoformat(str(each["until"])) for each in waits if each.get("until")]
    until = max(known, default=batch.workplace.clock.now())
    why = f"{leads(len(waits))} could not be {stage}, because {vendor} was away"
    batch.wait_for(vendor, until, f"{why}; they are done by themselves {_when(until)}.")


def fill_rest(batch: OpenBatch, stage: Stage, outcome: Outcome, within: int, *, with_email: bool | None = None) -> int:
    """Give an outcome to every lead of the stage that has none; returns how many."""
    now = batch.workplace.clock.now()
    fill = Fill(of=batch.of(stage), outcome=outcome, now=now, up_to_position=within, with_email=with_email)
    with batch.workplace.database.write() as connection:
        return outcome_fills.fill(connection, fill)


def _skip(batch: OpenBatch, stage: Stage, away: ProviderUnavailable, within: int) -> int:
    """An unfinished look for contacts ends the way of leads without an address, and of them alone (spec 2.3)."""
    facts = {"vendor": away.vendor, "reason": away.code}
    outcome = skipped(stage, "provider_unavailable", **facts)
    if stage is not Stage.ENRICHED:
        return fill_rest(batch, stage, outcome, within)
    without = skipped(stage, "provider_unavailable", **facts, without_email=True)
    return fill_rest(batch, stage, outcome, within, with_email=True) + fill_rest(
        batch, stage, without, within, with_email=False
    )


def _cause(away: ProviderUnavailable) -> str:
    if away.code in _USED_UP:
        return f"the rate limit of {away.vendor} is used up"
    return f"{away.vendor} does not answer properly ({away.code})"


def _when(until: datetime) -> str:
    return f"when it is back, not before {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
