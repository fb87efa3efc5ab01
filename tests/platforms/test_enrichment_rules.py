"""How enrichment treats crashes, refusals, missing vendors, allowances and leads without an address."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.leads import AudienceKind, Candidate, LeadRecord
from socialanalyzer_dagster.domain.outcomes import StepState
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.refusals import BudgetExceeded, ProviderUnavailable
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.platforms.enrichment import STEPS, enrich
from socialanalyzer_dagster.platforms.enrichment_leads import LeadView
from socialanalyzer_dagster.platforms.enrichment_sources import finding
from socialanalyzer_dagster.platforms.enrichment_steps_lookups import agrees
from socialanalyzer_dagster.platforms.enrichment_steps_search import bridge_queries, search_name
from socialanalyzer_dagster.platforms.registry import platform
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.vendors.apollo import Organization, Person
from tests.platforms.leads import candidate, creators, record_of, work_of
from tests.platforms.runs import Bench, KilledError, discovered, run

SEARCH = {"keywords": ["hiking"], "max_results": 40, "min_members": None, "max_members": None}


def changed(policy: Policy, **enrichment: object) -> Policy:
    return policy.model_copy(update={"enrichment": policy.enrichment.model_copy(update=enrichment)})


async def group_leads(bench: Bench, limit: int = 12) -> list[LeadWork]:
    chosen = platform("facebook")
    return await discovered(chosen, bench.context(chosen, SEARCH), limit)


def with_website(world: SandboxServer, count: int = 6) -> list[LeadWork]:
    found = [creator for creator in creators(world.state.world, "patreon") if creator.links.website]
    return [
        work_of(record_of(creator, {"personal_website": str(creator.links.website)}), place)
        for place, creator in enumerate(found[:count])
    ]


@pytest.mark.parametrize("killed_at", ["B", "D", "F", "H", "I", "J", "L"])
async def test_a_run_killed_at_a_step_ends_as_an_undisturbed_one_and_pays_nothing_twice(
    killed_at: str, bench: Bench
) -> None:
    chosen = platform("facebook")
    works = await group_leads(bench)
    calm = await run(enrich, works, bench.context(chosen))
    calm_calls = sorted((sent.operation, sent.step, sent.leads) for sent in bench.gate.sent)

    bench.gate = replace(bench.gate, sent=[], jobs=[], asked=[], _answers={})
    bench.checkpoint.steps.clear()
    works = await group_leads(bench)
    bench.checkpoint.fail_at = killed_at
    with pytest.raises(KilledError):
        await run(enrich, works, bench.context(chosen))
    bench.checkpoint.fail_at = None
    resumed = [replace(work, steps=bench.checkpoint.steps.get(work.uid, {})) for work in works]
    again = await run(enrich, resumed, bench.context(chosen))

    assert {uid: result.outcome for uid, result in again.items()} == {uid: one.outcome for uid, one in calm.items()}
    assert [values_of(result.values) for result in again.values()] == [values_of(one.values) for one in calm.values()]
    assert sorted((sent.operation, sent.step, sent.leads) for sent in bench.gate.sent) == calm_calls


def values_of(values: Mapping[str, Candidate]) -> dict[str, str]:
    return {field: one.value for field, one in sorted(values.items())}


async def test_a_suppressed_person_leaves_a_shared_call_and_the_others_go_on(bench: Bench) -> None:
    works = await group_leads(bench, 5)
    bench.gate.suppressed.add(works[2].uid)
    results = await run(enrich, works, bench.context(platform("facebook")))
    assert results[works[2].uid].outcome.code == "suppressed"
    assert results[works[2].uid].candidates == ()
    assert all(works[2].uid not in sent.leads for sent in bench.gate.sent if sent.step != "group_search")
    assert all(results[work.uid].outcome.code != "suppressed" for work in works if work is not works[2])


async def test_an_address_on_the_list_found_on_the_way_ends_the_lead(bench: Bench, world: SandboxServer) -> None:
    works = with_website(world)
    first = await run(enrich, works, bench.context(platform("patreon")))
    found = next(result for result in first.values() if "email" in result.values)
    bench.gate.suppressed.add(found.values["email"].value)
    bench.checkpoint.steps.clear()
    again = await run(enrich, works, bench.context(platform("patreon")))
    assert again[found.uid].outcome.code == "suppressed"


async def test_an_exhausted_budget_leaves_the_leads_that_needed_the_call_pending(
    bench: Bench, world: SandboxServer
) -> None:
    works = [*with_website(world), work_of(record_of_someone(), 9, candidate("rss", "https://example.org/feed"))]
    steps = {**bench.policy.enrichment.steps, "patreon": ("I", "L")}
    poor = bench.with_policy(changed(bench.policy, steps=steps))
    poor.gate.budget_micros = 100
    finished: list[LeadResult] = []
    with pytest.raises(BudgetExceeded):
        await collect(finished, works, poor)
    assert [(result.uid, result.outcome.code) for result in finished] == [(works[-1].uid, "no_email")]
    assert poor.gate.spent_micros == 0
    poor.gate.budget_micros = None
    resumed = [replace(work, steps=poor.checkpoint.steps.get(work.uid, {})) for work in works[:-1]]
    again = await run(enrich, resumed, poor.context(platform("patreon")))
    assert {result.outcome.code for result in again.values()} <= {None, "no_email", "email_invalid", "email_disposable"}


async def collect(finished: list[LeadResult], works: list[LeadWork], bench: Bench) -> None:
    async for result in enrich(works, bench.context(platform("patreon"))):
        finished.append(result)  # noqa: PERF401 - what came before the refusal counts


async def test_a_step_that_fails_twice_is_an_error_and_never_fails_the_lead(bench: Bench, world: SandboxServer) -> None:
    works = with_website(world, 3)
    bench.gate.failing["apify.cheerio"] = VendorError("apify", ErrorClass.TRANSIENT, "server_error", status=500)
    results = await run(enrich, works, bench.context(platform("patreon")))
    for work in works:
        step = bench.checkpoint.steps[work.uid]["I"]
        assert step.state is StepState.ERROR
        assert step.detail["tries"] == 2
        assert results[work.uid].outcome.result in ("passed", "rejected")
        assert "step_i_error" in next(
            one.body["warnings"] for one in results[work.uid].evidence if one.kind == "enrichment_summary"
        )
    assert [step for _, step, _, _ in bench.gate.asked if step == "I"] == ["I", "I"]


async def test_a_crawler_that_is_down_is_replaced_by_reading_the_site_directly(
    bench: Bench, world: SandboxServer
) -> None:
    works = with_website(world, 8)
    bench.gate.unavailable.add("apify")
    results = await run(enrich, works, bench.context(platform("patreon")))
    assert any(one.provider == "page_fetcher" for result in results.values() for one in result.candidates)


async def test_without_apify_the_site_is_read_directly_and_other_steps_say_not_configured(
    bench: Bench, world: SandboxServer
) -> None:
    works = with_website(world, 8)
    bench.vendors = replace(bench.vendors, apify=None)
    results = await run(enrich, works, bench.context(platform("patreon")))
    assert any(one.provider == "page_fetcher" for result in results.values() for one in result.candidates)
    states = {steps["K"].state for steps in bench.checkpoint.steps.values()}
    assert states <= {StepState.NOT_CONFIGURED, StepState.NOT_NEEDED}


async def test_without_a_verifier_a_lead_goes_on_with_an_unverified_address(bench: Bench) -> None:
    bench.vendors = replace(bench.vendors, email_verifier=None)
    record = record_of_someone()
    work = work_of(record, 0, candidate("email", "ada@trailretreats-example.com"))
    results = await run(enrich, [work], bench.context(platform("patreon")))
    assert results[work.uid].outcome.result == "passed"
    assert results[work.uid].email_status == "unverified"
    assert bench.checkpoint.steps[work.uid]["L"].state is StepState.NOT_CONFIGURED


async def test_a_verifier_that_refuses_its_service_lets_the_leads_wait(bench: Bench) -> None:
    bench.gate.unavailable.add("email_verifier")
    work = work_of(record_of_someone(), 0, candidate("email", "ada@trailretreats-example.com"))
    with pytest.raises(ProviderUnavailable, match="email_verifier"):
        await run(enrich, [work], bench.context(platform("patreon")))
    assert "L" not in bench.checkpoint.steps[work.uid], "the step is asked again when the vendor is back"
    bench.gate.unavailable.clear()
    results = await run(enrich, [work], bench.context(platform("patreon")))
    assert results[work.uid].email_status != "unverified"


async def test_no_address_is_not_known_while_a_vendor_could_not_be_asked(bench: Bench) -> None:
    bench.gate.unavailable.add("apify")
    work = work_of(record_of_someone())
    results = await run(enrich, [work], bench.context(platform("patreon")))
    outcome = results[work.uid].outcome
    assert (outcome.result, outcome.code) == ("skipped", "provider_unavailable")
    assert outcome.detail == {
        "vendor": "apify",
        "reason": "switched_off_by_the_test",
        "until": None,
        "without_email": True,
    }
    assert outcome.retryable


@pytest.mark.parametrize("vendor", ["apify", "apollo"])
async def test_leads_looked_at_again_when_their_vendor_is_back_end_as_if_it_had_been_there(
    vendor: str, bench: Bench
) -> None:
    chosen = platform("facebook")
    works = await group_leads(bench, 40)
    calm = await run(enrich, works, bench.context(chosen))
    bench.gate = replace(bench.gate, sent=[], jobs=[], asked=[], unavailable={vendor}, _answers={})
    bench.checkpoint.steps.clear()
    first = await run(enrich, works, bench.context(chosen))
    waited = [
        replace(work, steps=dict(bench.checkpoint.steps[work.uid]))
        for work in works
        if first[work.uid].outcome.code == "provider_unavailable"
    ]
    assert waited
    bench.gate.unavailable.clear()
    again = await run(enrich, waited, bench.context(chosen))
    assert {uid: each.outcome for uid, each in again.items()} == {work.uid: calm[work.uid].outcome for work in waited}


async def test_a_lead_without_address_is_rejected_unless_the_policy_does_not_require_one(bench: Bench) -> None:
    steps = {**bench.policy.enrichment.steps, "patreon": ("L",)}
    work = work_of(record_of_someone())
    strict = bench.with_policy(changed(bench.policy, steps=steps))
    assert (await run(enrich, [work], strict.context(platform("patreon"))))[work.uid].outcome.code == "no_email"
    lenient = bench.with_policy(changed(bench.policy, steps=steps, require_email=False))
    lenient.checkpoint.steps.clear()
    result = (await run(enrich, [work], lenient.context(platform("patreon"))))[work.uid]
    assert result.outcome.result == "passed"
    assert result.email_status is None


async def test_a_step_over_a_leads_allowance_is_not_run(bench: Bench, world: SandboxServer) -> None:
    works = with_website(world, 3)
    poor = bench.with_policy(changed(bench.policy, max_lead_usd=Decimal("0.001")))
    await run(enrich, works, poor.context(platform("patreon")))
    for work in works:
        step = poor.checkpoint.steps[work.uid]["I"]
        assert step.state is StepState.NOT_NEEDED
        assert step.detail["reason"] == "over_lead_allowance"


async def test_a_chunk_shares_calls_and_their_cost_splits_exactly(bench: Bench) -> None:
    works = await group_leads(bench, 12)
    spent_before = bench.gate.spent_micros
    await run(enrich, works, bench.context(platform("facebook")))
    shares = sum(
        int(str(result.detail.get("cost_micros", 0)))
        for steps in bench.checkpoint.steps.values()
        for result in steps.values()
    )
    assert shares == bench.gate.spent_micros - spent_before
    assert max(len(sent.leads) for sent in bench.gate.sent if sent.step == "A") == 10


def test_a_name_with_search_operators_is_searched_as_plain_words() -> None:
    record = record_of_someone().model_copy(update={"display_name": 'Hikers" site:evil.com OR "x -y'})
    query = bridge_queries(search_name(view_of(record)))[0]
    assert "evil" not in query
    assert query.count('"') == 2


@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [("Ada Trail", "other.com", True), ("Bo Else", "trail-example.com", True), ("Bo Else", "other.com", False)],
)
def test_a_returned_person_counts_when_name_or_domain_agrees(name: str, place: str, expected: bool) -> None:
    person = Person(name=name, organization=Organization(primary_domain=place))
    assert agrees(person, view_of(record_of_someone()), "trail-example.com") is expected


def view_of(record: LeadRecord) -> LeadView:
    return LeadView(record, {}, (), {})


def record_of_someone() -> LeadRecord:
    return LeadRecord(
        platform=PlatformKey("patreon"), platform_id="adatrail-nobody", handle="adatrail-nobody",
        profile_url="https://www.patreon.com/adatrail-nobody", display_name="Ada Trail",
        audience_kind=AudienceKind.PATRONS,
    )  # fmt: skip


def test_every_step_of_the_policy_exists(policy: Policy) -> None:
    assert {letter for letters in policy.enrichment.steps.values() for letter in letters} == set(STEPS)


def test_nothing_from_a_run_that_ended_early_is_no_answer() -> None:
    assert finding([], 5, partial="timed_out").state is StepState.ERROR
    assert finding([], 5).as_result(record_of_someone().uid, "K", 1).state is StepState.NOTHING_FOUND
