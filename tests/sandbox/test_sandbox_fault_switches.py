"""Every fault switch by itself: it is listed, set over the control path, seen by the caller, counted and logged."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from socialanalyzer_dagster.sandbox.app import app_of
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.fault_kinds import VENDOR_KINDS
from socialanalyzer_dagster.sandbox.faults import GENERIC_KINDS, LEVELS
from socialanalyzer_dagster.sandbox.state import SandboxState
from tests.sandbox.fault_scenes import BASE, PLAIN, SCENES, Town

KEY = {"Authorization": "Bearer key"}
SAME_ANSWER = {"slow", "drip"}
OWN = [(vendor, kind) for vendor, kinds in VENDOR_KINDS.items() for kind in kinds]
GENERIC = [(vendor, kind) for vendor in PLAIN for kind in GENERIC_KINDS]
CONTRACT = {
    "429 with Retry-After": ("*", {"rate_limited"}),
    "429 without Retry-After": ("*", {"rate_limited_bare"}),
    "5xx": ("*", {"error_500", "error_502", "error_503", "error_504"}),
    "slow": ("*", {"slow", "drip"}),
    "closed before and after the work": ("*", {"closed_before", "closed_after"}),
    "no answer in time, before and after the work": ("*", {"hangs_before", "hangs_after"}),
    "401 and 403": ("*", {"unauthorized", "forbidden"}),
    "200 with an error": ("*", {"error_200"}),
    "damaged JSON": ("*", {"truncated", "malformed"}),
    "jobs of InsightIQ": ("insightiq", {"job_stuck", "job_failed", "job_cut_short"}),
    "jobs of Apify": ("apify", {"job_stuck", "run_failed", "run_aborted", "run_timed_out"}),
    "batches of OpenAI": ("openai", {"batch_stuck", "batch_expired"}),
    "costs told late": ("apify", {"usage_lags"}),
    "datasets": ("apify", {"empty_dataset", "refusal_row", "demo_rows"}),
    "402": ("apify", {"plan_error", "monthly_limit", "paid_plan_required", "concurrency_limit", "memory_limit"}),
    "pages of InsightIQ": ("insightiq", {"short_page", "repeated_page", "total_changes"}),
    "pages of Apify": ("apify", {"short_page", "repeated_page", "total_changes"}),
    "pages of HubSpot": ("hubspot", {"short_page", "repeated_page", "total_changes"}),
    "media": ("media", {"expired_media", "wrong_content_type", "very_large", "private_redirect"}),
    "models": ("openai", {"refusal", "length", "content_filter", "invalid_json", "out_of_range", "out_of_money"}),
    "CRM": ("hubspot", {"partial", "missing_record", "conflict", "locked", "migrating", "upsert_blanks_omitted"}),
    "CRM throttling": ("hubspot", {"ten_secondly_limit", "secondly_limit", "daily_limit"}),
    "people": ("apollo", {"placeholder_email", "no_match", "hour_limit"}),
    "addresses": ("millionverifier", {"result_catch_all", "result_unknown", "out_of_credits"}),
    "pages of sites": ("web", {"private_redirect"}),
    "prompt injections of Instagram": ("insightiq", {"injected_bio"}),
    "prompt injections of actors": ("apify", {"injected_bio"}),
}
"""The contract's table of switches, and the architecture's list of what a hostile sandbox shows.

Left out are the rows about what later milestones read: webhooks that come twice, late, out of order, unsigned or with
an old timestamp, which are received with the console, and the pages of YouTube.
"""


@pytest.fixture(scope="module")
def state() -> Iterator[SandboxState]:
    made = SandboxState(SandboxConfig(seed=7))
    yield made
    made.store.close()


@pytest.fixture
async def town(state: SandboxState) -> AsyncIterator[Town]:
    state.reset()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(state)), base_url=BASE, headers=KEY) as client:
        yield Town(state, client)


async def played(town: Town, place: tuple[str, str], kind: str | None) -> Any:
    """What the scene of a call shows, from a fresh sandbox, under one switch or under none."""
    await town.client.post("/_sandbox/reset")
    scene = SCENES[place]
    made = await scene.prepare(town, None) if scene.prepare is not None else None
    if kind is not None:
        switch = {"vendor": place[0], "operation": place[1], "kind": kind, "seconds": 0.01}
        set_to = await town.client.put("/_sandbox/faults", json=[switch])
        assert [one["kind"] for one in set_to.json()["switches"]] == [kind], set_to.text
    try:
        return await scene.act(town, made)
    except httpx.RemoteProtocolError:
        return "closed"
    except httpx.ReadTimeout:
        return "timeout"


def operation_of(vendor: str, kind: str) -> str:
    """The call a kind belongs to, as its description says."""
    named = VENDOR_KINDS[vendor][kind].partition(":")[0].split(",")[0]
    chosen = {"a poll": "search_export_poll", "a batch": "batch_upsert"}.get(named, named)
    return chosen if (vendor, chosen) in SCENES else PLAIN[vendor]


async def check_the_log(town: Town, place: tuple[str, str], kind: str) -> None:
    listed = (await town.client.get("/_sandbox/faults")).json()
    log = (await town.client.get("/_sandbox/faults/log")).json()
    assert listed["shown"][f"{place[0]}.{place[1]}.{kind}"] == log["total"] == len(log["rows"])
    assert {(row["vendor"], row["operation"], row["kind"]) for row in log["rows"]} == {(*place, kind)}


@pytest.mark.parametrize("place", list(SCENES))
async def test_without_a_fault_a_scene_shows_the_same_each_time(town: Town, place: tuple[str, str]) -> None:
    assert await played(town, place, None) == await played(town, place, None)


@pytest.mark.parametrize(("vendor", "kind"), OWN)
async def test_a_fault_of_one_vendor_is_seen_by_itself(town: Town, vendor: str, kind: str) -> None:
    place = (vendor, operation_of(vendor, kind))
    assert await played(town, place, None) != await played(town, place, kind)
    await check_the_log(town, place, kind)


@pytest.mark.parametrize(("vendor", "kind"), GENERIC)
async def test_a_fault_of_all_vendors_is_seen_at_each(town: Town, vendor: str, kind: str) -> None:
    place = (vendor, PLAIN[vendor])
    right, wrong = await played(town, place, None), await played(town, place, kind)
    assert (right == wrong) == (kind in SAME_ANSWER)
    assert (wrong == "closed") == kind.startswith("closed")
    assert (wrong == "timeout") == kind.startswith("hangs")
    if kind.startswith("error_"):
        assert {status for status, *_ in wrong} == {int(kind.removeprefix("error_"))}
    if kind.startswith("rate_limited"):
        assert {status for status, *_ in wrong} == {429}
    await check_the_log(town, place, kind)


async def test_the_control_path_lists_every_kind(town: Town) -> None:
    listed = (await town.client.get("/_sandbox/faults")).json()
    assert listed["generic_kinds"] == GENERIC_KINDS
    assert listed["vendor_kinds"] == VENDOR_KINDS


@pytest.mark.parametrize("line", list(CONTRACT))
def test_everything_the_contract_lists_can_be_switched_on(line: str) -> None:
    vendor, kinds = CONTRACT[line]
    assert kinds <= set(GENERIC_KINDS if vendor == "*" else VENDOR_KINDS[vendor])


def test_the_hostile_level_shows_what_the_architecture_lists() -> None:
    shown = {switch.kind for switch in LEVELS["hostile"]}
    assert shown >= {
        "rate_limited", "rate_limited_bare", "error_500", "error_503", "closed_after", "truncated", "malformed",
        "error_200", "partial", "drip", "private_redirect", "injected_bio", "hangs_before", "hangs_after",
    }  # fmt: skip


async def test_the_log_keeps_what_names_a_request_and_no_key_or_file(town: Town) -> None:
    await town.client.put("/_sandbox/faults", json=[{"vendor": "*", "kind": "error_503"}])
    await town.client.get("/millionverifier/api/v3?api=secret&email=ada@trail.example", headers={"X-Trace": "lead 7"})
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "of ada data:image/png;base64,QUJD"}]}
    await town.client.post("/openai/v1/chat/completions", json=body)
    log = (await town.client.get("/_sandbox/faults/log")).json()["rows"]
    assert [row["trace"] for row in log] == ["lead 7", ""]
    assert not any(row["answered_later"] for row in log)
    assert log[0]["target"] == "/millionverifier/api/v3?api=(key)&email=ada@trail.example"
    assert "of ada (file)" in log[1]["text"]
    assert (await town.client.get("/_sandbox/faults/log?rows=1&after=1")).json() == {"total": 2, "rows": log[1:]}
    assert (await town.client.get("/_sandbox/faults/log?rows=all")).status_code == 400
    await town.client.put("/_sandbox/faults", json=[])
    await town.client.post("/openai/v1/chat/completions", json=body)
    log = (await town.client.get("/_sandbox/faults/log")).json()["rows"]
    assert [row["answered_later"] for row in log] == [False, True]
    await town.client.post("/_sandbox/reset")
    assert (await town.client.get("/_sandbox/faults/log")).json() == {"total": 0, "rows": []}
