"""Runs real stage functions in memory: what one stage says about its leads becomes the work of the next."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from socialanalyzer_dagster.domain.filters import validate_filters
from socialanalyzer_dagster.domain.leads import Candidate, Evidence, FoundItem
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Clock, LeadResult, LeadWork, StepResult
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.platforms.base import Platform, Process, StageContext
from socialanalyzer_dagster.platforms.evidence_kinds import EVIDENCE_SCHEMAS
from socialanalyzer_dagster.vendors.bundle import Vendors
from tests.platforms.gate import RememberingGate

SECRET = secrets.token_bytes(32)


@dataclass
class MemoryCheckpoint:
    """Keeps step results as they come; `fail_at` makes the store break at a step, as a crash would."""

    steps: dict[LeadUid, dict[str, StepResult]] = field(default_factory=dict)
    fail_at: str | None = None

    async def save_steps(self, results: Mapping[LeadUid, StepResult]) -> None:
        for uid, result in results.items():
            if result.step == self.fail_at:
                raise KilledError(result.step)
            self.steps.setdefault(uid, {})[result.step] = result


class KilledError(BaseException):
    """Stands for a killed process."""


@dataclass
class Bench:
    """A stage context over the sandbox."""

    policy: Policy
    clock: Clock
    vendors: Vendors
    gate: RememberingGate
    checkpoint: MemoryCheckpoint = field(default_factory=MemoryCheckpoint)

    def context(self, platform: Platform, filters: Mapping[str, object] | None = None) -> StageContext:
        """The context of a batch; without filters that of a creator list."""
        typed = validate_filters(platform.filter_model, filters, self.policy) if filters is not None else None
        return StageContext(
            policy=self.policy,
            filters=typed,
            gate=self.gate,
            clock=self.clock,
            vendors=self.vendors,
            checkpoint=self.checkpoint,
            boundary_secret=SECRET,
        )

    def with_policy(self, policy: Policy) -> "Bench":
        """The same bench under another policy."""
        return replace(self, policy=policy, gate=replace(self.gate, policy=policy))


def works_of(items: Iterable[FoundItem], limit: int | None = None) -> list[LeadWork]:
    """Distinct leads of found items, in their order."""
    works: dict[LeadUid, LeadWork] = {}
    for item in items:
        if item.record is not None and item.record.uid not in works:
            works[item.record.uid] = LeadWork(
                uid=item.record.uid, position=len(works), record=item.record, candidates=item.candidates
            )
    return list(works.values())[:limit]


async def discovered(platform: Platform, context: StageContext, limit: int | None = None) -> list[LeadWork]:
    """The leads of a search."""
    return works_of([item async for item in platform.discover(context)], limit)


async def run(process: Process, works: Sequence[LeadWork], context: StageContext) -> dict[LeadUid, LeadResult]:
    """All results of a stage, their evidence checked against its schema."""
    results: dict[LeadUid, LeadResult] = {}
    async for result in process(works, context):
        assert result.uid not in results, "two results for one lead"
        for evidence in result.evidence:
            check_evidence(result.uid, evidence)
        results[result.uid] = result
    return results


def check_evidence(uid: LeadUid, evidence: Evidence) -> None:
    """The evidence is the lead's own and has the shape of its kind."""
    assert evidence.lead == uid
    EVIDENCE_SCHEMAS[evidence.kind].model_validate(evidence.body)


def next_works(works: Sequence[LeadWork], results: Mapping[LeadUid, LeadResult]) -> list[LeadWork]:
    """The work of the next stage: leads that go on, with what was learned."""
    return [
        onward(work, results[work.uid]) for work in works if work.uid in results and results[work.uid].outcome.goes_on
    ]


def onward(work: LeadWork, result: LeadResult) -> LeadWork:
    """One lead after a stage."""
    candidates: dict[Candidate, None] = dict.fromkeys((*work.candidates, *result.candidates))
    return replace(
        work,
        record=result.record or work.record,
        candidates=tuple(candidates),
        evidence={**work.evidence, **{one.kind: one for one in result.evidence}},
        steps={},
    )


def codes(results: Mapping[LeadUid, LeadResult]) -> dict[str, int]:
    """How many leads have which outcome."""
    counted: dict[str, int] = {}
    for result in results.values():
        name = f"{result.outcome.result}({result.outcome.code})" if result.outcome.code else str(result.outcome.result)
        counted[name] = counted.get(name, 0) + 1
    return counted
