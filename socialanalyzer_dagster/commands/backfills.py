"""Re-scoring as a Dagster backfill: carried out by the daemon where one runs, else by this process."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from socialanalyzer_dagster.commands.instance import backfills_are_served
from socialanalyzer_dagster.commands.office import Office
from socialanalyzer_dagster.commands.runs import QUIET, REPOSITORY, job_named, problem_of
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.policy_versions import Version

if TYPE_CHECKING:
    import dagster as dg

_ASSET, _JOB = "rescored_leads", "rescore_job"


@dataclass(slots=True)
class Backfill:
    """What became of it; with a `backfill_id` the daemon carries it out, and its figures come later.

    `problem` is the sentence of a run that failed, after which the others were not begun.
    """

    version: Version
    batches: int
    backfill_id: str | None = None
    problem: str | None = None
    scores: int = 0
    moved: int = 0
    flow: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(tier before, tier now) -> leads."""

    def add(self, metadata: Mapping[str, Any]) -> None:
        """The figures of one batch, as `rescored_leads` reports them."""
        self.scores += metadata["scores"].value
        self.moved += metadata["changed_tiers"].value
        for record in metadata["tier_flow"].records:
            self.flow[record.data["from"], record.data["to"]] += record.data["leads"]


def backfill(office: Office, keys: Sequence[BatchKey], version: Version) -> Backfill:
    """Re-score these batches under a version."""
    instance, done = office.instance, Backfill(version=version, batches=len(keys))
    instance.add_dynamic_partitions(str(LEAD_BATCHES.name), list(keys))
    if keys and backfills_are_served(instance):
        done.backfill_id = _requested(instance, keys, version)
        return done
    for first, last in _neighbours(keys, instance.get_dynamic_partitions(str(LEAD_BATCHES.name))):
        result = _run(instance, first, last, version)
        for event in result.get_asset_materialization_events():
            done.add(event.materialization.metadata)
        if not result.success:
            done.problem = problem_of(result)
            break
    return done


def _requested(instance: "dg.DagsterInstance", keys: Sequence[BatchKey], version: Version) -> str:
    """Hand the backfill to the daemon, as the Dagster UI would."""
    import dagster as dg
    from dagster._core.execution.backfill import PartitionBackfill
    from dagster._core.utils import make_new_backfill_id

    from socialanalyzer_dagster.definitions import definitions

    wanted = PartitionBackfill.from_asset_partitions(
        backfill_id=make_new_backfill_id(),
        asset_graph=definitions.resolve_asset_graph(),
        partition_names=keys,
        asset_selection=[dg.AssetKey(_ASSET)],
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=f"Re-score {counted(len(keys), 'batch', 'batches')} under policy version {version.number}",
        description="Costs nothing and asks no vendor; the scores that decided stay as they are.",
        run_config=_config(version),
    )
    instance.add_backfill(wanted)
    return wanted.backfill_id


def _run(instance: "dg.DagsterInstance", first: str, last: str, version: Version) -> "dg.ExecuteInProcessResult":
    """One run over a range of partitions, as the daemon would launch it."""
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

    return job_named(_JOB).execute_in_process(
        instance=instance,
        run_config={**QUIET, **_config(version)},
        tags={**REPOSITORY, ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
        raise_on_error=False,
    )


def _config(version: Version) -> dict[str, Any]:
    return {"ops": {_ASSET: {"config": {"policy": str(version.number)}}}}


def _neighbours(keys: Sequence[str], partitions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """First and last key of every stretch of partitions that are all wanted, in the order Dagster has them."""
    wanted = set(keys)
    for is_wanted, stretch in itertools.groupby(partitions, key=wanted.__contains__):
        if is_wanted:
            found = list(stretch)
            yield found[0], found[-1]
