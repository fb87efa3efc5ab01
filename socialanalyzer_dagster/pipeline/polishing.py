"""A finished batch's summary told to people, in a model's words where the policy wants them (spec 14.1)."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import replace

from socialanalyzer_dagster.domain.batch_stories import batch_story_prompt, batch_story_schema
from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import Refusal
from socialanalyzer_dagster.domain.summary import Summary
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_log import BatchLog
from socialanalyzer_dagster.pipeline.gate import spending_gate
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.session import PipelineSession
from socialanalyzer_dagster.pipeline.summaries import refresh_summary, write_polished
from socialanalyzer_dagster.platforms.base import ModelContext
from socialanalyzer_dagster.platforms.model_calls import JudgementFailedError, Question, judge, writer_of
from socialanalyzer_dagster.storage.batches import Batch

_LOG = logging.getLogger(__name__)


async def told_summary(session: PipelineSession, key: str, *, run_id: str) -> Summary:
    """The summary of the batch as it stands now, written down; raises NoSuchBatch.

    The active policy says whether a model rewords the story of a batch that has ended: one paid call that belongs to no
    batch, so that the costs it tells of stay what they are. It is asked again only when the story has changed. Without
    a model, money or an answer whose numbers are ours, the story stays in our words and a warning says why.
    """
    workplace = session.parts.workplace
    batch = await asyncio.to_thread(find_batch, workplace, key)
    async with AsyncExitStack() as stack:
        stack.enter_context(logged_as(run_id=run_id, batch=key, batch_id=batch.batch_id, attempt=batch.attempt))
        stack.enter_context(logged_as(platform=batch.platform))
        await stack.enter_async_context(BatchLog(session.writer, batch.batch_id))
        summary = await asyncio.to_thread(refresh_summary, workplace, batch)
        policy = await asyncio.to_thread(active_policy, workplace.database)
        if not policy.llm.polish_summaries or not batch.is_terminal or summary.polished is not None:
            return summary
        try:
            polished = await _retold(session, batch, summary, policy)
        except (Refusal, CallFailed, JudgementFailedError) as error:
            _LOG.warning("the summary stays in our own words: %s", error)
            return summary
        await asyncio.to_thread(write_polished, workplace, batch, summary, polished)
        return replace(summary, polished=polished)


async def _retold(session: PipelineSession, batch: Batch, summary: Summary, policy: Policy) -> str:
    parts = session.parts
    async with spending_gate(parts.workplace.database, session.writer, policy, parts.gate) as gate:
        await gate.recover_stray()
        context = ModelContext(
            policy=policy,
            gate=gate.without_batch(batch.platform),
            vendors=parts.vendors,
            boundary_secret=parts.boundary_secret,
        )
        question = Question(
            lead=None,
            prompt=batch_story_prompt(writer_of(context), batch.platform, summary.story),
            schema=batch_story_schema(summary.story, policy),
        )
        return (await judge(question, context)).value.story
