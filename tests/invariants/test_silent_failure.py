"""What must never pass for success: invariants I-32 and I-33, every provider through its client (spec 21.3)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from socialanalyzer_dagster.domain.calls import ErrorClass, JobState, VendorError
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.vendors import connect, hubspot
from socialanalyzer_dagster.vendors.apify import RunLimits
from socialanalyzer_dagster.vendors.apify_actors import Apify, GoogleSearch
from socialanalyzer_dagster.vendors.apollo import Apollo, PersonQuery
from socialanalyzer_dagster.vendors.bundle import Vendors
from socialanalyzer_dagster.vendors.email_verifier import EmailVerifier
from socialanalyzer_dagster.vendors.http import UnexpectedBodyError
from socialanalyzer_dagster.vendors.hubspot import HubSpot
from socialanalyzer_dagster.vendors.hubspot_batches import WriteInput, WriteState
from socialanalyzer_dagster.vendors.insightiq import ContentState, InsightIQ
from socialanalyzer_dagster.vendors.llm import LanguageModel, ModelRequest
from socialanalyzer_dagster.vendors.openai_channel import OpenAIChannel
from tests.invariants.conftest import settings_of
from tests.vendors.open_internet import always, answer, internet
from tests.vendors.wire_answers import answering, finished_job, value_of

LIMITS = RunLimits(timeout_seconds=120)
INSTAGRAM = "9bb8913b-ddd9-430b-a66a-d74d846e6c66"
SEARCH = {
    "work_platform_id": INSTAGRAM, "max_results": 6, "sort_by": {"field": "FOLLOWER_COUNT", "order": "DESCENDING"},
    "follower_count": {"min": 20_000, "max": 900_000},
}  # fmt: skip
QUESTION = ModelRequest(
    model="gpt-4o", system="s", user="platform: instagram\nhandle: x\n", fingerprint_text="u", max_output_tokens=50,
    schema_name="triage_v1",
    schema={
        "type": "object", "additionalProperties": False, "required": ["decision", "confidence"],
        "properties": {"decision": {"type": "string", "enum": ["reject", "continue"]},
                       "confidence": {"type": "number"}},
    },
)  # fmt: skip
Ask = Callable[[Vendors, Any], Awaitable[Any]]
SITUATIONS = (
    "success", "empty", "partial", "auth", "quota", "throttle", "5xx", "timeout", "200-with-error", "error-body-in-200",
)  # fmt: skip
THROTTLED, TRANSIENT, UNKNOWN = ErrorClass.THROTTLED, ErrorClass.TRANSIENT, ErrorClass.UNKNOWN
STOP, ITEM = ErrorClass.PERMANENT_SERVICE, ErrorClass.PERMANENT_ITEM


@dataclass(frozen=True)
class Case:
    """A fault switch of the sandbox (None = none), and the error class, or what is true of the typed answer.

    `ask` replaces the provider's call where the situation lies in what is asked.
    """

    fault: str | None
    expected: ErrorClass | Callable[[Any], bool]
    ask: Ask | None = None


@dataclass(frozen=True)
class Provider:
    """One provider's name in the sandbox, a call through its client, and how each situation must come out."""

    name: str
    ask: Ask
    cases: dict[str, Case]


def _cases(lost: ErrorClass, failing: ErrorClass, **own: Case) -> dict[str, Case]:
    """What every provider shares, and its own shapes."""
    shared = {
        "auth": Case("unauthorized", STOP), "throttle": Case("rate_limited", THROTTLED),
        "5xx": Case("error_503", failing), "timeout": Case("slow", lost), "200-with-error": Case("malformed", lost),
        "error-body-in-200": Case("error_200", lost),
    }  # fmt: skip
    return {**shared, **own}


async def _search(vendors: Vendors, _world: Any) -> Any:
    return await finished_job(vendors.insightiq.search_export(SEARCH))


async def _search_for_nobody(vendors: Vendors, _world: Any) -> Any:
    nobody = {"follower_count": {"min": 9_999_998, "max": 9_999_999}}
    return await finished_job(vendors.insightiq.search_export({**SEARCH, **nobody}))


async def _contents(vendors: Vendors, world: Any) -> Any:
    call = vendors.insightiq.contents_fetch(profile_url=world.instagram(0).url, work_platform_id=INSTAGRAM)
    return await value_of(call)


async def _google(vendors: Vendors, _world: Any) -> Any:
    search = GoogleSearch(queries=("site:facebook.com/groups hiking",))
    return await finished_job(vendors.apify.google_search(search, LIMITS))


async def _person(vendors: Vendors, world: Any) -> Any:
    return await value_of(vendors.apollo.people_match(PersonQuery(domain=world.patreon(1).domain)))


async def _mailbox(vendors: Vendors, _world: Any) -> Any:
    return await value_of(vendors.email_verifier.verify("somebody@one-host.com"))


async def _mailbox_of_a_silent_verifier(_vendors: Vendors, _world: Any) -> Any:
    return await value_of(EmailVerifier(answering(200, {}), "key").verify("somebody@one-host.com"))


async def _judgement(vendors: Vendors, _world: Any) -> Any:
    return await value_of(vendors.llm.answer(QUESTION))


async def _owners(vendors: Vendors, _world: Any) -> Any:
    return (await value_of(vendors.hubspot.owners())).owners


async def _contacts(vendors: Vendors, _world: Any) -> Any:
    changes = [WriteInput(trace_id=f"t{n}", id=str(n), properties={"firstname": "A"}) for n in (1, 2)]
    return await value_of(vendors.hubspot.batch_update(changes))


PROVIDERS = {
    each.name: each
    for each in (
        Provider("insightiq search_export", _search, _cases(
            UNKNOWN, UNKNOWN,
            success=Case(None, lambda got: got[0].state is JobState.SUCCEEDED and len(got[1]) == 6),
            empty=Case(None, lambda got: (got[0].state, got[1]) == (JobState.SUCCEEDED, ()), _search_for_nobody),
            partial=Case("short_page", lambda got: len(got[1]) == 6),
            quota=Case("forbidden", STOP),
            **{"200-with-error": Case("job_failed", lambda got: (got[0].state, got[1]) == (JobState.FAILED, ()))},
        )),
        Provider("insightiq contents_fetch", _contents, _cases(
            UNKNOWN, UNKNOWN,
            success=Case(None, lambda got: got.state is ContentState.FOUND and len(got.items) > 0),
            empty=Case("empty_contents", lambda got: got.state is ContentState.EMPTY),
            partial=Case("truncated", UNKNOWN),
            quota=Case("forbidden", STOP),
        )),
        Provider("apify", _google, _cases(
            UNKNOWN, UNKNOWN,
            success=Case(None, lambda got: got[0].state is JobState.SUCCEEDED and len(got[1].items) > 0),
            empty=Case("empty_dataset", lambda got: got[1].items == () and got[1].refusal is None),
            partial=Case("run_timed_out", lambda got: (got[0].state, got[0].reason) == (JobState.FAILED, "timed_out")),
            quota=Case("monthly_limit", STOP),
            **{"200-with-error": Case("refusal_row", lambda got: (got[1].items, got[1].unmapped) == ((), 1))},
        )),
        Provider("apollo", _person, _cases(
            UNKNOWN, TRANSIENT,
            success=Case(None, lambda got: got is not None and "@" in (got.email or "")),
            empty=Case("no_match", lambda got: got is None),
            partial=Case("placeholder_email", lambda got: got is not None and got.email is None),
            quota=Case("forbidden", STOP),
        )),
        Provider("millionverifier", _mailbox, _cases(
            UNKNOWN, TRANSIENT,
            success=Case(None, lambda got: got.result in ("ok", "invalid")),
            empty=Case(None, lambda got: isinstance(got, UnexpectedBodyError), _mailbox_of_a_silent_verifier),
            partial=Case("result_unknown", lambda got: got.result == "unknown"),
            quota=Case("out_of_credits", STOP),
            **{"200-with-error": Case("unauthorized", STOP), "error-body-in-200": Case("error_200", TRANSIENT)},
        )),
        Provider("openai", _judgement, _cases(
            UNKNOWN, TRANSIENT,
            success=Case(None, lambda got: got.content is not None and got.finish_reason == "stop"),
            empty=Case("refusal", lambda got: got.content is None and got.is_refused),
            partial=Case("length", lambda got: got.content is None and got.is_truncated),
            quota=Case("out_of_money", STOP),
            **{"200-with-error": Case("content_filter", lambda got: got.content is None and got.is_refused)},
        )),
        Provider("hubspot", _contacts, _cases(
            TRANSIENT, TRANSIENT,
            success=Case(None, lambda got: len(got) > 0, _owners),
            empty=Case(None, lambda got: {each.state for each in got} == {WriteState.ABSENT}),
            partial=Case("partial", lambda got: got[0].state is WriteState.RETRY),
            quota=Case("daily_limit", THROTTLED),
            timeout=Case("slow", TRANSIENT, _owners),
        )),
    )
}  # fmt: skip


@pytest.fixture
async def vendors(server, tmp_path, monkeypatch) -> AsyncIterator[Vendors]:
    """The real clients, in a hurry: an answer that is late by a second is one that does not come."""
    for name in ("INSIGHTIQ", "LLM", "APIFY", "APOLLO", "EMAIL_VERIFIER", "HUBSPOT"):
        monkeypatch.setattr(connect, f"{name}_SECONDS", 0.3)
    monkeypatch.setattr(hubspot, "_SINGLE_SECONDS", 0.3)
    made = connect.connect_vendors(settings_of(server, tmp_path))
    yield made
    server.state.faults.reset()
    await made.close()


async def outcome(provider: Provider, situation: str, vendors: Vendors, server: Any) -> Any:
    """The typed answer, or the error."""
    case = provider.cases[situation]
    vendor = provider.name.partition(" ")[0]
    on = [Fault(vendor, "*", case.fault, seconds=1.0)] if case.fault is not None else []
    server.state.faults.set(on)
    try:
        return await (case.ask or provider.ask)(vendors, server.state.world)
    except (VendorError, UnexpectedBodyError) as error:
        return error


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
async def test_i_33_every_provider_tells_every_situation_as_what_it_is(provider, situation, vendors, server):
    expected = provider.cases[situation].expected
    got = await outcome(provider, situation, vendors, server)
    if isinstance(expected, ErrorClass):
        assert isinstance(got, VendorError), got
        assert got.error_class is expected
    else:
        assert not isinstance(got, VendorError), got
        assert expected(got), got


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
async def test_i_32_empty_throttled_and_failed_are_three_different_answers(provider, vendors, server):
    situations = ("success", "empty", "throttle", "5xx")
    told = [await outcome(provider, situation, vendors, server) for situation in situations]
    assert len({each.error_class if isinstance(each, VendorError) else repr(each) for each in told}) == 4


CLIENTS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "insightiq contents": lambda to: value_of(
        InsightIQ(to).contents_fetch(profile_url="https://www.instagram.com/x", work_platform_id=INSTAGRAM)
    ),
    "insightiq search": lambda to: InsightIQ(to).search_export(SEARCH).start(0),
    "apify": lambda to: Apify(to).google_search(GoogleSearch(queries=("a",)), LIMITS).start(9_999),
    "apollo": lambda to: value_of(Apollo(to).people_match(PersonQuery(domain="one-host.com"))),
    "email_verifier": lambda to: value_of(EmailVerifier(to, "key").verify("a@one-host.com")),
    "openai": lambda to: value_of(LanguageModel(OpenAIChannel(to, "key")).answer(QUESTION)),
    "hubspot": lambda to: value_of(
        HubSpot(to, "v3").batch_update([WriteInput(trace_id="t", id="1", properties={"firstname": "A"})])
    ),
    "hubspot owners": lambda to: value_of(HubSpot(to, "v3").owners()),
}
REFUSED = (*range(300, 309), *range(400, 432), 451, 477, 499, *range(500, 512), 520, 529, 599)


@pytest.mark.parametrize("ask", CLIENTS.values(), ids=CLIENTS)
async def test_i_32_no_status_outside_2xx_is_ever_a_success_whatever_its_body_says(ask):
    for status in REFUSED:
        for body in (None, {"status": "ok", "data": [], "results": [], "person": None, "result": "ok", "error": ""}):
            with pytest.raises(VendorError) as caught:
                await ask(answering(status, body))
            assert caught.value.status == status
            assert caught.value.error_class in set(ErrorClass)


@pytest.mark.parametrize("ask", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"ok"', b"<html>", b"{", b'{"error": "internal"}', b"\xff\xfe"])
async def test_i_32_a_2xx_without_the_promised_answer_is_never_a_success(ask, body):
    try:
        found = await ask(answering(200, body))
    except (VendorError, UnexpectedBodyError):
        return
    pytest.fail(f"taken for a success: {found}")


@pytest.mark.parametrize("status", ["204 Empty", "206 Partial Content", "304 Not Modified", "404 Gone", "500 Oops"])
async def test_i_32_a_page_or_medium_of_another_status_is_never_a_success(status):
    async with internet(always(answer(b"<p>x", status=status))) as world:
        with pytest.raises(VendorError):
            await world.fetcher().page("http://a.example/").send()
        with pytest.raises(VendorError):
            await world.fetcher().read_media("http://a.example/")
