"""The `rescored_leads` asset."""

import warnings
from collections.abc import Callable

import dagster as dg
from pydantic import Field

from socialanalyzer_dagster.assets.report_metadata import rescored_metadata
from socialanalyzer_dagster.assets.scored_leads import scored_leads
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.domain.policy import PolicyError
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.policy_versions import version_to_use
from socialanalyzer_dagster.pipeline.rescored_history import NoSuchBatches, rescored_batches
from socialanalyzer_dagster.pipeline.workplace import SystemClock
from socialanalyzer_dagster.resources.pipeline import DatabaseResource


class RescoreUnder(dg.Config):
    """Which policy re-scores."""

    policy: str = Field(
        default="", description="A stored version, by its number in `policy list` or its hash; empty = the active one."
    )


def _asset(compute: Callable[..., dg.MaterializeResult[None]]) -> dg.AssetsDefinition:
    """One run for neighbouring batches: a thousand runs of a second each would keep the day's batches waiting."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # backfill policies are one; Dagster is pinned to the patch
        return dg.asset(
            partitions_def=LEAD_BATCHES,
            deps=[scored_leads],
            backfill_policy=dg.BackfillPolicy.single_run(),
            group_name="policy",
            owners=OWNERS,
            kinds={"python"},
            tags={"spends": "no"},
            code_version=CODE_VERSION,
        )(compute)


@_asset
def rescored_leads(
    context: dg.AssetExecutionContext, config: RescoreUnder, database: DatabaseResource
) -> dg.MaterializeResult[None]:
    """What another policy makes of the scores of past batches: $0, no vendor is asked.

    The scores that decided stay as they are; the others stand beside them, one per policy version, in `leads show`.
    """
    keys, now = [BatchKey(key) for key in context.partition_keys], SystemClock().now()
    try:
        with database.opened() as opened:
            version = version_to_use(opened, config.policy, now)
            for key, result in rescored_batches(opened, keys, version, now):
                context.add_asset_metadata(rescored_metadata(result), partition_key=key)
    except NoSuchBatches as error:
        for key in error.keys:
            context.instance.delete_dynamic_partition(str(LEAD_BATCHES.name), key)
        raise dg.Failure(str(error), allow_retries=False) from error
    except PolicyError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(metadata={"policy_version": version.number, "usd": 0.0})
