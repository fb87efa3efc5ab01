"""A platform whose functions answer at once: what is measured is the pipeline around them."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, update

from benchmarks.memory_crm import MemoryCrm
from socialanalyzer_dagster.domain.calls import Reply, VendorCall
from socialanalyzer_dagster.domain.leads import AudienceKind, Candidate, Evidence, FoundItem, LeadRecord
from socialanalyzer_dagster.domain.outcomes import StepState, passed, rejected
from socialanalyzer_dagster.domain.policy import Policy, parse_policy
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork, StepResult
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, LeadUid, Stage
from socialanalyzer_dagster.pipeline.session import SessionParts
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from tests.pipeline.batch_world import PLATFORM, BookVendor, World, book_policy, candidate, score_of

ITEMS = 12
IN_WORK = 200
CALLS = {Stage.SCREENED: 3, Stage.ENRICHED: 4, Stage.ANALYZED: 4, Stage.SCORED: 2}
"""Paid calls of a lead by stage: with 80 % passing screening, 11 per lead of the batch."""
_STEPS = ("B", "E", "H")
_OPERATION, _UNIT = "openai.chat", "openai.gpt-4o.input"
_WORDS = "Three days along the coast with the group: what we ate, where we slept and what the boat cost each of us. "
_PLENTY = 100_000


class WallClock:
    """The time of the machine."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)


def bench_policy(policy: Policy) -> Policy:
    """The policy with room for the money and with many leads in work, so that nothing waits but on the pipeline."""
    document = book_policy(policy).document()
    document["budgets"] |= {
        "batch_default_usd": {**document["budgets"]["batch_default_usd"], PLATFORM: _PLENTY},
        **dict.fromkeys(("batch_absolute_usd", "platform_day_usd", "day_usd", "month_usd"), _PLENTY),
    }
    document["limits"]["buckets"]["openai"] = {"concurrent": IN_WORK, "windows": []}
    document["limits"]["leads_in_work"] = dict.fromkeys(document["limits"]["leads_in_work"], IN_WORK)
    document["gates"]["requires_approval"] = {Stage.SYNCED: False}
    document["gates"] |= {"person_above_contacts": _PLENTY, "person_above_usd": _PLENTY}
    return parse_policy(document)


@dataclass
class MemoryVendor(BookVendor):
    """`leads` creators, of whom every n-th is dropped at screening where `drop_every` is set."""

    leads: int = 0
    drop_every: int | None = 5
    is_paid: bool = False

    async def discover(self, context: StageContext) -> AsyncIterator[FoundItem]:
        at = context.clock.now()
        for number in range(1, self.leads + 1):
            yield found_item(number, at)

    async def screen(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        for work in works:
            await self._calls(work, context, Stage.SCREENED)
            evidence = (Evidence(lead=work.uid, kind="content_items", body={"items": list(_content(work))}),)
            drops = self.drop_every is not None and work.position % self.drop_every == 0
            outcome = rejected(Stage.SCREENED, "inactive") if drops else passed(Stage.SCREENED)
            yield LeadResult(uid=work.uid, outcome=outcome, evidence=evidence)

    async def enrich(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        at = context.clock.now()
        values = {work.uid: _contact(work, at) for work in works}
        for step in _STEPS:
            await context.checkpoint.save_steps({work.uid: _step(step, values[work.uid]) for work in works})
        await asyncio.gather(*(self._calls(work, context, Stage.ENRICHED) for work in works))
        for work in works:
            yield LeadResult(
                uid=work.uid,
                outcome=passed(Stage.ENRICHED),
                record=work.record.model_copy(update={"country": "US"}),
                candidates=tuple(values[work.uid].values()),
                values=values[work.uid],
                email_status="valid",
            )

    async def analyze(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        for work in works:
            await self._calls(work, context, Stage.ANALYZED)
            items: list[JsonValue] = [{"id": number, "summary": _WORDS, "is_travel": True} for number in range(ITEMS)]
            evidence = (Evidence(lead=work.uid, kind="item_judgements", body={"items": items}),)
            yield LeadResult(uid=work.uid, outcome=passed(Stage.ANALYZED), evidence=evidence)

    async def score(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        for work in works:
            await self._calls(work, context, Stage.SCORED)
            yield LeadResult(uid=work.uid, outcome=passed(Stage.SCORED), score=score_of(PLATFORM))

    async def _calls(self, work: LeadWork, context: StageContext, stage: Stage) -> None:
        for number in range(CALLS[stage] if self.is_paid else 0):
            await context.gate.call(_call(work.uid, stage, number), leads=[work.uid], step=f"step-{number}")


@dataclass
class BenchWorld(World):
    """A workplace over a database, with a CRM in memory."""

    vendor: MemoryVendor = field(default_factory=MemoryVendor)
    crm: MemoryCrm | None = None

    @property
    def parts(self) -> SessionParts:
        plain = super().parts
        return replace(plain, vendors=replace(plain.vendors, hubspot=self.crm.client if self.crm else None))

    def ends(self, key: str, stage: Stage) -> Counter[str]:
        """Current outcomes of one batch at a stage, by code or result."""
        counted = (
            select(func.coalesce(StageOutcomeRow.code, StageOutcomeRow.result), func.count())
            .join(LeadBatchRow, LeadBatchRow.batch_id == StageOutcomeRow.batch_id)
            .where(LeadBatchRow.partition_key == key, StageOutcomeRow.stage == stage, StageOutcomeRow.is_current)
            .group_by(func.coalesce(StageOutcomeRow.code, StageOutcomeRow.result))
        )
        with self.database.read() as connection:
            return Counter(dict(connection.execute(counted).all()))

    def create_batch(self) -> str:
        """The key of a new batch for all leads of the vendor, more of them than a planner would put into one."""
        key = self.create(
            filters={"keyword": f"books {uuid.uuid4().hex}", "max_results": self.vendor.leads}, confirmed=True
        ).key
        with self.database.write() as connection:
            connection.execute(
                update(LeadBatchRow)
                .where(LeadBatchRow.partition_key == key)
                .values(max_leads=self.vendor.leads, cap_micros=_PLENTY * 1_000_000)
            )
        return key


def record_of(number: int) -> LeadRecord:
    """The n-th creator."""
    name = f"creator{number}"
    return LeadRecord(
        platform=PLATFORM,
        platform_id=name,
        handle=name,
        profile_url=f"https://testbook.example/{name}",
        display_name=name.title(),
        bio=_WORDS,
        audience_kind=AudienceKind.FOLLOWERS,
        audience_size=number * 7,
    )


def found_item(number: int, at: datetime) -> FoundItem:
    """The n-th creator as the search tells of it."""
    record = record_of(number)
    found = (candidate("personal_website", f"https://{record.handle}.example/", at),)
    return FoundItem(item_no=number, record=record, candidates=found, raw={"name": record.handle, "bio": _WORDS})


def lead_row(number: int, at: datetime) -> dict[str, Any]:
    """The n-th creator as a row of the leads' table."""
    record = record_of(number)
    return {
        "lead_uid": record.uid,
        "platform": record.platform,
        "platform_id": record.platform_id,
        "handle": record.handle,
        "record": record.model_dump(mode="json"),
        "collected_at": at,
        "updated_at": at,
        "subscriber_kind": "unknown",
    }


def _content(work: LeadWork) -> Iterator[dict[str, Any]]:
    for number in range(ITEMS):
        yield {
            "id": f"{work.record.handle}-{number}",
            "url": f"{work.record.profile_url}/p/{number}",
            "kind": "image",
            "caption": _WORDS * 2,
            "likes": 120 + number,
            "comments": 7,
            "published_at": "2026-11-01T12:00:00+00:00",
        }


def _contact(work: LeadWork, at: datetime) -> dict[str, Candidate]:
    name = work.record.handle
    return {
        "email": candidate("email", f"{name}@example.org", at),
        "first_name": candidate("first_name", name.title(), at),
        "country": candidate("country", "US", at),
    }


def _step(step: str, values: dict[str, Candidate]) -> StepResult:
    found = tuple(values.values()) if step == _STEPS[0] else ()
    return StepResult(step=step, state=StepState.FILLED if found else StepState.NOTHING_FOUND, candidates=found)


def _call(lead: LeadUid, stage: Stage, number: int) -> VendorCall[JsonValue]:
    async def send() -> Reply:
        return Reply(body={"answer": _WORDS, "of": number}, units={_UNIT: 100})

    request: JsonObject = {"lead": lead, "stage": str(stage), "number": number, "text": _WORDS}
    return VendorCall(
        operation=_OPERATION, request=request, max_units={_UNIT: 1000}, send=send, decode=lambda body: body
    )
