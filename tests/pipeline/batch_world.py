"""A platform of the tests' own over an invented vendor: batches of it go through the real gate, runner and database."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import select

from socialanalyzer_dagster.domain.calls import JobPage, JobState, JobStatus, Reply, VendorCall, VendorJob
from socialanalyzer_dagster.domain.creator_lists import CreatorList, ListRow
from socialanalyzer_dagster.domain.filters import SearchFilters
from socialanalyzer_dagster.domain.leads import AudienceKind, Candidate, CandidateKind, Evidence, FoundItem, LeadRecord
from socialanalyzer_dagster.domain.outcomes import StepState, passed, rejected, skipped
from socialanalyzer_dagster.domain.outside_text import storable
from socialanalyzer_dagster.domain.policy import Policy, parse_policy
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork, StepResult
from socialanalyzer_dagster.domain.rescreening import NOT_KNOWN
from socialanalyzer_dagster.domain.scores import DIMENSIONS, ScoreInputs, ScoreRecord
from socialanalyzer_dagster.domain.types import STAGES, PlatformKey, Stage
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batches import CreatedBatch, create_batch
from socialanalyzer_dagster.pipeline.discovery import discover
from socialanalyzer_dagster.pipeline.gate import GateOptions
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.pipeline.runner import run_stage
from socialanalyzer_dagster.pipeline.runner_end import StageReport
from socialanalyzer_dagster.pipeline.session import PipelineSession, SessionParts
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.platforms.base import KeywordFields, Platform, StageAdapter, StageContext
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_control import BdrRow, LedgerEntryRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from socialanalyzer_dagster.vendors.bundle import Vendors

PLATFORM = PlatformKey("testbook")
KEY = b"suppression key for tests, 32 byte"
SEARCH, FETCH = "insightiq.search_export", "insightiq.contents_fetch"
FOUND_MICROS, FETCH_MICROS = 20_000, 40_000
LEAD_STAGES = (Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)


class BookFilters(SearchFilters):
    """Filters of the tests' platform."""

    platform_key: ClassVar[PlatformKey] = PLATFORM
    keyword: str = "books"


_POLICIES: dict[tuple[str, str], Policy] = {}


def book_policy(policy: Policy, **sections: dict[str, Any]) -> Policy:
    """The policy with the tests' platform in it, and some keys of some sections changed; made once per process."""
    asked = (policy.digest, repr(sections))
    if asked not in _POLICIES:
        _POLICIES[asked] = _book_policy(policy, sections)
    return _POLICIES[asked]


def _book_policy(policy: Policy, sections: dict[str, dict[str, Any]]) -> Policy:
    document = policy.document()
    for name, changes in sections.items():
        document[name] = document[name] | changes
    document["search"]["defaults"][PLATFORM] = {"max_results": 10}
    document["discovery"]["fixed"][PLATFORM] = {}
    document["enrichment"]["steps"][PLATFORM] = []
    document["budgets"]["batch_default_usd"][PLATFORM] = 50
    stages = ("discovered", "screened", "enriched", "analyzed", "scored")
    document["estimate"]["stage_usd"][PLATFORM] = dict.fromkeys(stages, "0.02")
    document["crm"]["constants"][PLATFORM] = {}
    return parse_policy(document)


@dataclass
class BookVendor:
    """The vendor behind the tests' platform: people by name, what it was asked, and what goes wrong."""

    names: list[str] = field(default_factory=lambda: [f"p{n}" for n in range(1, 7)])
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    errors: dict[str, Exception] = field(default_factory=dict)
    bugs: dict[str, Exception] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    spoiled: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    """Nobody can look for an address of these people, because another vendor is away."""
    out_of_range: set[str] = field(default_factory=set)
    """Rejected by the filters of a search alone."""
    job_runs: bool = False

    @property
    def sent(self) -> int:
        return self.asked.total()

    def call(self, stage: Stage, name: str) -> VendorCall[Any]:
        async def send() -> Reply:
            self.asked[f"{stage}:{name}"] += 1
            self.arrived.set()
            if self.hold is not None:
                await self.hold.wait()
            if (error := self.errors.get(f"{stage}:{name}")) is not None:
                raise error
            return Reply(body={"of": name}, units={FETCH: 1})

        return VendorCall(
            operation=FETCH, request={"of": name, "stage": str(stage)}, max_units={FETCH: 1}, send=send, decode=dict
        )

    def job(self, most: int) -> VendorJob[Any]:
        items = [{"name": name} for name in self.names]

        async def start(_max_micros: int) -> JobStatus:
            self.asked["search"] += 1
            return JobStatus(job_id=f"job-{uuid.uuid4()}", state=JobState.RUNNING)

        async def poll(job_id: str) -> JobStatus:
            return JobStatus(job_id=job_id, state=JobState.RUNNING if self.job_runs else JobState.SUCCEEDED)

        async def page(_status: JobStatus, offset: int) -> JobPage:
            end = offset + 4
            return JobPage(items=tuple(items[offset:end]), next_offset=end if end < len(items) else None)

        return VendorJob(
            operation=SEARCH, request={"most": most}, max_units={SEARCH: most}, start=start, poll=poll, page=page,
            units=lambda count: {SEARCH: count}, decode=list,
        )  # fmt: skip

    # --- stage functions -------------------------------------------------------------------------------------------

    async def discover(self, context: StageContext) -> AsyncIterator[FoundItem]:
        assert isinstance(context.filters, BookFilters)
        answer = await context.gate.run_job(self.job(context.filters.max_results), leads=(), step="search")
        for number, row in enumerate(answer.value, start=1):
            yield self.item(number, row.get("name"), context.clock.now())

    def item(self, number: int, name: str | None, at: datetime) -> FoundItem:
        if name is None or name.startswith("?"):
            return FoundItem(item_no=number, record=None, problem="no_identity", problem_text="no name", raw={"n": 1})
        text, name = name, storable(name)
        record = LeadRecord(
            platform=PLATFORM, platform_id=name, handle=name, profile_url=f"https://testbook.example/{name}",
            display_name=name.title(), audience_kind=AudienceKind.FOLLOWERS,
        )  # fmt: skip
        email = self.emails.get(name)
        return FoundItem(
            item_no=number, record=record, aliases=self.aliases.get(name, ()), raw={"name": text},
            candidates=(candidate("email", email, at),) if email else (),
        )  # fmt: skip

    def from_list_row(self, row: ListRow, _policy: Policy, read_at: datetime) -> FoundItem:
        return self.item(row.line, row.handle, read_at)

    async def _one(self, work: LeadWork, context: StageContext, stage: Stage) -> LeadResult:
        name = work.record.handle
        await context.gate.call(self.call(stage, name), leads=[work.uid], step="fetch")
        if (bug := self.bugs.get(f"{stage}:{name}")) is not None:
            raise bug
        evidence = Evidence(lead=work.uid, kind=f"{stage}_note", body={"stage": str(stage), "of": name})
        if stage is Stage.SCREENED and name.startswith("r"):
            return LeadResult(uid=work.uid, outcome=rejected(stage, "inactive"), evidence=(evidence,))
        if stage is Stage.SCREENED and name in self.out_of_range:
            return LeadResult(uid=work.uid, outcome=rejected(stage, "patrons_below_min"), evidence=(evidence,))
        detail: dict[str, Any] = {"x": float("nan")} if f"{stage}:{name}" in self.spoiled else {}
        score = score_of(PLATFORM) if stage is Stage.SCORED else None
        return LeadResult(uid=work.uid, outcome=passed(stage, **detail), evidence=(evidence,), score=score)

    async def screen(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        for work in works:
            yield await self._one(work, context, Stage.SCREENED)

    async def enrich(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        todo = [work for work in works if "B" not in work.steps]
        if todo:
            call = self.call(Stage.ENRICHED, "+".join(work.record.handle for work in todo))
            answer = await context.gate.call(call, leads=[work.uid for work in todo], step="B")
            results = {
                work.uid: StepResult(
                    step="B", state=StepState.FILLED,
                    candidates=(candidate("email", f"{work.record.handle}@example.org", answer.fetched_at),),
                )
                for work in todo
            }  # fmt: skip
            await context.checkpoint.save_steps(results)
        for work in works:
            if (bug := self.bugs.get(f"{Stage.ENRICHED}:{work.record.handle}")) is not None:
                raise bug
            if work.record.handle in self.unseen:
                away = {"vendor": "insightiq", "reason": "http_503", "until": None, "without_email": True}
                yield LeadResult(uid=work.uid, outcome=skipped(Stage.ENRICHED, "provider_unavailable", **away))
                continue
            found = work.steps["B"] if "B" in work.steps else results[work.uid]
            yield LeadResult(
                uid=work.uid, outcome=passed(Stage.ENRICHED), values={"email": found.candidates[0]},
                email_status="valid",
            )  # fmt: skip

    async def analyze(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        for work in works:
            assert "screened_note" in work.evidence
            yield await self._one(work, context, Stage.ANALYZED)

    async def score(self, works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
        for work in works:
            yield await self._one(work, context, Stage.SCORED)

    @property
    def platform(self) -> Platform:
        return Platform(
            key=PLATFORM, label="Testbook", description="for tests", adapters={s: _adapter(s) for s in STAGES},
            filter_model=BookFilters, fixed_search=BaseModel,
            keywords=KeywordFields(read=("keyword",), ideas="keyword"),
            discover=self.discover, from_list_row=self.from_list_row, screen=self.screen,
            enrich=self.enrich, analyze=self.analyze, score=self.score,
            rescreen=lambda _stored, _policy: NOT_KNOWN, scoring_material=lambda _work: None,
            crm_properties=lambda _record: {}, expected_yield={},
        )  # fmt: skip


def candidate(name: str, value: str, at: datetime) -> Candidate:
    return Candidate(
        field=name, value=value, canonical=value, kind=CandidateKind.TEXT, step="B", provider="book", source_url=None,
        fetched_at=at,
    )  # fmt: skip


def score_of(platform: str) -> ScoreRecord:
    answer = dict.fromkeys(DIMENSIONS, Decimal("0.8"))
    inputs = ScoreInputs(
        platform=platform, answers=(answer,), category="unknown", audience_size=None, posts_above=None,
        posts_below=None, posts_hidden=None, travel_flag=False,
    )  # fmt: skip
    return ScoreRecord(
        inputs=inputs, sections=answer, base=Decimal("0.8"), penalty=Decimal(0), boost=Decimal(0),
        adjustment=Decimal(0), floor_applied=False, lead_score=Decimal("0.8"), tier="auto_enroll", rule_row=1,
        expected_precision=None, reasoning="because",
    )  # fmt: skip


def _adapter(stage: Stage) -> StageAdapter:
    return StageAdapter(
        name=f"testbook_{stage}", description="", providers=(), unit_price_key="none", access_mode="none",
        terms_url="", terms_reviewed_on="", allowed_fields=(), retention_class="none", keeps_media=False,
    )  # fmt: skip


@dataclass(repr=False)  # asyncio spells the result of a fixture out, and forgets it
class World:
    """A workplace over one database, its vendor, and what tests do with batches."""

    database: Database
    policy: Policy
    clock: Any
    home: Path
    vendor: BookVendor = field(default_factory=BookVendor)
    settled: bool = False
    """Another process has stored the policy and the roster."""

    def __post_init__(self) -> None:
        if self.settled:
            return
        activate(self.database, self.policy, Authorship(author="test", note="test", at=self.clock.now()))
        with self.database.write() as connection:
            connection.execute(BdrRow.__table__.insert().values(name="Ada", owner_id="1", is_active=True, position=1))

    @property
    def workplace(self) -> Workplace:
        return Workplace(
            database=self.database, platforms={PLATFORM: self.vendor.platform}, clock=self.clock, home=self.home,
            mode="sandbox", suppression_key=KEY,
        )  # fmt: skip

    @property
    def parts(self) -> SessionParts:
        nothing = Vendors(
            insightiq=None, apify=None, apollo=None, email_verifier=None, llm=None, hubspot=None,
            pages=None, media_store=None,  # type: ignore[arg-type]
        )  # fmt: skip
        gate = GateOptions(clock=self.clock, suppression_key=KEY)
        return SessionParts(workplace=self.workplace, vendors=nothing, gate=gate, boundary_secret=b"boundary")

    def create(self, **request: Any) -> CreatedBatch:
        request.setdefault("platform", PLATFORM)
        if "creator_list" not in request and "preset" not in request:
            request.setdefault("filters", {"keyword": f"books {uuid.uuid4().hex}"})
        if "creator_list" in request:
            request["creator_list"] = CreatorList(request["creator_list"])
        return create_batch(self.workplace, BatchRequest(**request))

    @asynccontextmanager
    async def opened(self, key: str, run_id: str | None = None, **options: Any) -> AsyncIterator[OpenBatch]:
        async with (
            PipelineSession(self.parts) as session,
            session.open_batch(key, run_id=run_id or str(uuid.uuid4()), **options) as batch,
        ):
            yield batch

    async def run(self, key: str, *stages: Stage, run_id: str | None = None) -> dict[Stage, StageReport]:
        """Materialize stages one after the other in one run, as the assets do: each opens the batch itself."""
        run_id = run_id or str(uuid.uuid4())
        reports: dict[Stage, StageReport] = {}
        for stage in stages or (Stage.DISCOVERED, *LEAD_STAGES):
            async with self.opened(key, run_id) as batch:
                reports[stage] = await materialize(batch, stage)
        return reports

    async def run_at_once(self, key: str) -> None:
        """All stages up to scored with the batch opened once: half the time, for tests of what comes after."""
        async with self.opened(key) as batch:
            for stage in (Stage.DISCOVERED, *LEAD_STAGES):
                await materialize(batch, stage)

    def outcomes(self, *, current: bool = True) -> dict[tuple[str, str], list[tuple[str, str | None]]]:
        """(stage, position-free handle) -> results with codes, in order of attempts."""
        from socialanalyzer_dagster.storage.models_leads import LeadRow

        query = (
            select(
                StageOutcomeRow.stage, LeadRow.handle, StageOutcomeRow.result, StageOutcomeRow.code,
            )
            .join(LeadRow, LeadRow.lead_uid == StageOutcomeRow.lead_uid)
            .order_by(StageOutcomeRow.id)
        )  # fmt: skip
        if current:
            query = query.where(StageOutcomeRow.is_current)
        found: dict[tuple[str, str], list[tuple[str, str | None]]] = {}
        with self.database.read() as connection:
            for stage, handle, result, code in connection.execute(query):
                found.setdefault((stage, handle), []).append((result, code))
        return found

    def codes(self, stage: Stage) -> Counter[str]:
        """Current outcomes of a stage by code, 'passed' for those without."""
        return Counter(
            code or result
            for (of_stage, _), results in self.outcomes().items()
            for result, code in results
            if of_stage == stage
        )

    def costs_agree(self) -> bool:
        """Outcome costs equal the ledger's rows with a lead, stage by stage."""
        with self.database.read() as connection:
            stated = Counter[tuple[str, str]]()
            for lead, stage, cost in connection.execute(
                select(StageOutcomeRow.lead_uid, StageOutcomeRow.stage, StageOutcomeRow.cost_micros)
            ):
                stated[lead, stage] += cost
            paid = Counter[tuple[str, str]]()
            for lead, stage, amount in connection.execute(
                select(LedgerEntryRow.lead_uid, LedgerEntryRow.stage, LedgerEntryRow.amount_micros)
            ):
                if lead is not None:
                    paid[lead, stage] += amount
        return +stated == +paid


async def materialize(batch: OpenBatch, stage: Stage) -> StageReport:
    """One stage of an opened batch."""
    return await (discover(batch, quiet) if stage is Stage.DISCOVERED else run_stage(batch, stage, quiet))


def quiet(_progress: object) -> None:
    """Progress that nobody reads."""
