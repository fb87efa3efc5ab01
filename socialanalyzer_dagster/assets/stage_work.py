"""What every stage asset does: open the batch, bring its leads up to date, report the figures."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import dagster as dg
from pydantic import Field

from socialanalyzer_dagster.assets.interrupts import run_settling
from socialanalyzer_dagster.assets.question_metadata import question_metadata, waiting_stage
from socialanalyzer_dagster.assets.report_metadata import stage_metadata, stage_sentence
from socialanalyzer_dagster.domain.batch_keys import BadBatchKey
from socialanalyzer_dagster.domain.error_texts import readable
from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_status import StatusRefused
from socialanalyzer_dagster.pipeline.code_version import code_version
from socialanalyzer_dagster.pipeline.discovery import DiscoveryFailed, discover
from socialanalyzer_dagster.pipeline.lead_examples import LeadExample, lead_examples
from socialanalyzer_dagster.pipeline.locks import BatchLocked
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.progress import Progress
from socialanalyzer_dagster.pipeline.question_view import question_view
from socialanalyzer_dagster.pipeline.rule_run import apply_rules
from socialanalyzer_dagster.pipeline.runner import MissingCheckpoint, run_stage
from socialanalyzer_dagster.pipeline.runner_end import StageReport
from socialanalyzer_dagster.resources.pipeline import PipelineResource
from socialanalyzer_dagster.storage import policies

ATTEMPT_TAG = "socialanalyzer/attempt"
"""The attempt of the batch a sensor launched a run for; a run started by hand has no such tag."""
_RERUN_TAG = "dagster/retry_number"
"""On runs that Dagster starts in place of a crashed one."""

GROUP = "leads"
OWNERS = ["team:growth"]
CODE_VERSION = code_version()

REFUSALS = (BatchRefused, BatchLocked, MissingCheckpoint, DiscoveryFailed, StatusRefused)
"""Why a run ends at once: the sentence is for the person who started it."""

T = TypeVar("T")


class BatchLaunch(dg.Config):
    """What can be said when a batch is started by hand."""

    confirm_estimate_micro: int | None = Field(
        default=None,
        description=(
            "Only for a batch whose estimate must be confirmed: the estimate in micro-USD (1 USD = 1,000,000), exactly "
            "as the refusal or `socialanalyzer batch show` states it. Nothing is spent before it matches."
        ),
    )


def bring_up_to_date(
    context: dg.AssetExecutionContext, pipeline: PipelineResource, stage: Stage, config: BatchLaunch | None = None
) -> dg.MaterializeResult[None]:
    """Run one stage for the batch of this partition and return its figures as metadata."""

    async def work(batch: OpenBatch) -> tuple[StageReport, AboutStage]:
        tell = teller(context)
        is_first = stage is Stage.DISCOVERED
        report = await (discover(batch, tell) if is_first else run_stage(batch, stage, tell))
        rules = await asyncio.to_thread(apply_rules, batch, stage)
        report = replace(report, rules=rules.sentences, halt=rules.held or report.halt, status=batch.row.status)
        return report, about_stage(batch, stage)

    report, about = with_batch(context, pipeline, work, config)
    context.log.info(stage_sentence(report))
    if (asked := about.question) is not None and STAGES.index(asked["stage"]) == STAGES.index(stage) + 1:
        context.log_event(waiting_stage(context.partition_key, asked))
    shown = {**stage_metadata(report, about.examples, about.policy_version), **question_metadata(about.question)}
    return dg.MaterializeResult(metadata=shown)


def with_batch(
    context: dg.AssetExecutionContext,
    pipeline: PipelineResource,
    work: Callable[[OpenBatch], Awaitable[T]],
    config: BatchLaunch | None = None,
) -> T:
    """Do something with the batch of this partition while holding its lock.

    Raises dg.Failure with a sentence for people when the key, the confirmation or the lock is in the way; a refused key
    leaves the partition set again.
    """
    confirmed = config.confirm_estimate_micro if config is not None else None

    async def opened() -> T:
        tag = context.run.tags.get(ATTEMPT_TAG)
        async with (
            pipeline.session(context.instance) as session,
            session.open_batch(
                context.partition_key,
                run_id=context.run.run_id,
                confirm_estimate_micro=confirmed,
                launched_attempt=int(tag) if tag is not None else None,
                is_rerun=_RERUN_TAG in context.run.tags,
            ) as batch,
        ):
            context.instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [context.partition_key])
            return await work(batch)

    with refusals_told(context):
        return run_settling(opened)


@contextmanager
def refusals_told(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Raises dg.Failure with a sentence for people where the block refuses; a refused key leaves the partition set."""
    try:
        yield
    except (BadBatchKey, FilterProblems, NoSuchBatch) as error:
        context.instance.delete_dynamic_partition(str(LEAD_BATCHES.name), context.partition_key)
        raise dg.Failure(str(error), allow_retries=False) from error
    except REFUSALS as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except Exception as error:  # noqa: BLE001 - raised again without foreign texts
        raise readable(error)  # noqa: B904 - it carries its own causes


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutStage:
    """A few of the stage's leads, the version of the policy that decided, and what a person is asked now."""

    examples: list[LeadExample]
    policy_version: str
    question: Mapping[str, Any] | None


def about_stage(batch: OpenBatch, stage: Stage) -> AboutStage:
    """What is shown beside the figures."""
    row = batch.refresh()
    with batch.workplace.database.read() as connection:
        number = policies.number_of(connection, row.policy_hash)
        examples = lead_examples(connection, row.batch_id, stage)
        question = question_view(connection, batch.workplace, row)
    version = f"{number} in `policy list` (keys of {row.policy_version})"
    return AboutStage(examples=examples, policy_version=version, question=question)


def teller(context: dg.AssetExecutionContext) -> Callable[[Progress], None]:
    """Progress into the run's log."""
    return lambda progress: context.log.info(progress.sentence)
