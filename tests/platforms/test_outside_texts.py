"""Text from outside may be null, empty, very long, in any script or hostile: no stage crashes, no judgement moves."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.creator_lists import ListRow
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.platforms import facebook_discovery, instagram_discovery, patreon_discovery
from socialanalyzer_dagster.platforms.contact_candidates import Source
from socialanalyzer_dagster.platforms.enrichment_leads import LeadView
from socialanalyzer_dagster.platforms.enrichment_steps_pages import PAGE_KINDS
from socialanalyzer_dagster.platforms.enrichment_steps_profiles import biography_candidates
from socialanalyzer_dagster.platforms.enrichment_steps_search import bridge_queries, result_candidates, search_name
from socialanalyzer_dagster.platforms.registry import PLATFORMS, platform
from socialanalyzer_dagster.platforms.site_pages import parsed_page
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.vendors.apify_items import CrawledPage, FeedFacts, GoogleResult, patreon_creators
from socialanalyzer_dagster.vendors.insightiq import Profile
from socialanalyzer_dagster.vendors.pages import Page
from tests.domain.injections import INJECTIONS
from tests.platforms.leads import candidate, creators, record_of, work_of
from tests.platforms.runs import Bench, onward, run

POLICY = shipped_policy()
NOW = datetime(2026, 11, 16, tzinfo=UTC)
SOURCE = Source(step="I", provider="test", source_url="https://www.example-host.com", fetched_at=NOW)
TEXTS = st.none() | st.text(max_size=400) | st.sampled_from([
    "", " ", "\x00", "\ud800", "🏔️" * 200, "مرحبا بالعالم", "旅行" * 300, "http://[::1", "mailto:", "@", "a" * 5000,
])  # fmt: skip
SAMPLE = tuple(INJECTIONS[name] for name in ("english", "german", "end of the data", "role in JSON"))
ODD = ("", " \n\t ", "\x00\x00", "नमस्ते " * 50, "旅" * 20_000, "é\u0301\u202e" * 100, "a@b" * 500)


@given(TEXTS, TEXTS, TEXTS)
def test_discovery_reads_any_text(one: str | None, two: str | None, three: str | None) -> None:
    profile = Profile.model_validate({
        "platform_username": one, "url": two, "full_name": three, "introduction": one,
        "contact_details": [{"type": "email", "value": two}, {"type": "youtube", "value": three}],
    })  # fmt: skip
    instagram_discovery.found_item(1, profile, POLICY, NOW)
    rows = [{"vanity": one, "name": two, "about": three, "url": one, "instagram": two, "personal_website": three}]
    for creator in patreon_creators(rows).items:
        patreon_discovery.found_item(1, creator, POLICY, NOW)
    result = GoogleResult(title=one, url=f"https://www.facebook.com/groups/{two}", description=three)
    facebook_discovery.found_item(1, result, POLICY, NOW)
    for key in PLATFORMS:
        row = ListRow(line=1, handle=one, url=two, name=three, about=one, website=two, email=three)
        platform(key).from_list_row(row, POLICY, NOW)


@given(TEXTS, TEXTS, TEXTS)
def test_enrichment_reads_any_text(one: str | None, two: str | None, three: str | None) -> None:
    record = a_record().model_copy(update={"display_name": one, "bio": two})
    view = LeadView(record, {}, (), {})
    assert "\n" not in "".join(bridge_queries(search_name(view)))
    result_candidates(view, GoogleResult(title=one, url=two, description=three), SOURCE, POLICY)
    biography_candidates(one, [two, three], SOURCE, POLICY)
    page = CrawledPage(
        label="x", url="https://www.example-host.com", title=one, text=two or "", links=(three or "",),
        mailto=(one or "",), feed=FeedFacts(owner_email=one, author=two, link=three),
    )  # fmt: skip
    for kind in PAGE_KINDS.values():
        kind.read(page, SOURCE, POLICY)
    html = f"<html><body><a href='{one}'>{two}</a>{three}</body></html>".encode("utf-8", "replace").decode()
    parsed_page(Page(url="https://www.example-host.com/a", content_type="text/html", text=html), a_record().uid)


def a_record() -> LeadRecord:
    item = platform("patreon").from_list_row(ListRow(line=1, handle="adatrail"), POLICY, NOW)
    assert item.record is not None
    return item.record


async def through(bench: Bench, key: str, work: LeadWork) -> list[LeadResult]:
    """All stages of a lead as far as it goes."""
    chosen, results = platform(key), []
    for process in (chosen.screen, chosen.enrich, chosen.analyze, chosen.score):
        result = (await run(process, [work], bench.context(chosen)))[work.uid]
        results.append(result)
        if not result.outcome.goes_on:
            break
        work = onward(work, result)
    return results


@pytest.mark.parametrize("key", list(PLATFORMS))
async def test_no_text_makes_a_stage_fail_by_itself(key: str, bench: Bench, world: SandboxServer) -> None:
    base = next(one for one in creators(world.state.world, key) if one.truth.activity == "active" and one.contact.email)
    works = []
    for text in (None, *ODD):
        record = record_of(base).model_copy(
            update={"bio": text, "display_name": text, "search_title": text, "search_snippet": text, "city": text}
        )
        works.append(work_of(record, 0, candidate("email", str(base.contact.email))))
    ends = await asyncio.gather(*(through(bench, key, work) for work in works))
    codes = {result.outcome.code for results in ends for result in results}
    assert "internal_error" not in codes
    assert all(results for results in ends)


@pytest.mark.parametrize("key", ["patreon", "facebook"])
async def test_instructions_in_a_bio_change_no_judgement(key: str, bench: Bench, world: SandboxServer) -> None:
    base = next(
        one for one in creators(world.state.world, key)
        if one.truth.reject_code is None and not one.truth.is_injecting and one.contact.email
        and one.truth.mailbox == "ok"
    )  # fmt: skip
    mail = candidate("email", str(base.contact.email))
    calm = await through(bench, key, work_of(record_of(base), 0, mail))
    for injection in SAMPLE:
        record = record_of(base, bio=f"{base.bio or ''} {injection}", search_snippet=injection)
        moved = await through(bench, key, replace(work_of(record, 0, mail), uid=record.uid))
        assert [(one.outcome.result, one.outcome.code) for one in moved] == [
            (one.outcome.result, one.outcome.code) for one in calm
        ]
        assert [one.score.sections if one.score else None for one in moved] == [
            one.score.sections if one.score else None for one in calm
        ]


async def test_hostile_text_stays_between_the_boundary_lines(bench: Bench, world: SandboxServer) -> None:
    base = next(iter(creators(world.state.world, "patreon")))
    for injection in SAMPLE:
        await through(bench, "patreon", work_of(record_of(base, bio=injection)))
    chats = [sent.request for sent in bench.gate.sent if sent.operation == "openai.chat"]
    assert chats
    for request in chats:
        system, user = (message["content"] for message in request["messages"])  # type: ignore[index, call-overload]
        assert not any(injection in system for injection in SAMPLE)
        before, _, rest = user.partition("=== data begins 0000000000000000 ===")
        inside, _, after = rest.rpartition("=== data ends 0000000000000000 ===")
        assert not any(injection in before + after for injection in SAMPLE)
        assert "handle: " in inside
