"""Facts about the clients together with the sandbox: both follow one contract, and both count the same money."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from wire_answers import finished_job, value_of

from socialanalyzer_dagster.domain.calls import ErrorClass, JobState, VendorError
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.vendors.apify import RunLimits
from socialanalyzer_dagster.vendors.apify_actors import Crawl, CrawlStart, Extract, GoogleSearch, PatreonSearch
from socialanalyzer_dagster.vendors.apollo import PersonQuery
from socialanalyzer_dagster.vendors.email_verifier import EmailStatus
from socialanalyzer_dagster.vendors.hubspot import PropertyDefinition
from socialanalyzer_dagster.vendors.hubspot_batches import WriteInput, WriteState
from socialanalyzer_dagster.vendors.images import triage_picture
from socialanalyzer_dagster.vendors.insightiq import ContentState
from socialanalyzer_dagster.vendors.llm import ModelRequest
from socialanalyzer_dagster.vendors.media_store import keeper
from socialanalyzer_dagster.vendors.media_types import media_seconds

INSTAGRAM = "9bb8913b-ddd9-430b-a66a-d74d846e6c66"
LIMITS = RunLimits(timeout_seconds=120)
SEARCH = {
    "work_platform_id": INSTAGRAM,
    "max_results": 120,
    "sort_by": {"field": "FOLLOWER_COUNT", "order": "DESCENDING"},
    "follower_count": {"min": 20_000, "max": 900_000},
}
VERDICT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["decision", "confidence"],
    "properties": {"decision": {"type": "string", "enum": ["reject", "continue"]}, "confidence": {"type": "number"}},
}


@pytest.fixture(autouse=True)
def fresh(sandbox):
    sandbox.state.reset()
    sandbox.state.faults.reset()
    yield
    sandbox.state.faults.reset()
    assert dict(sandbox.state.unknown_paths) == {}, "a client asked for a path no vendor has"


def creators(search_text="yoga United States", most=20) -> PatreonSearch:
    return PatreonSearch(
        queries=(search_text,),
        max_results=most,
        proxy_groups=("RESIDENTIAL",),
        max_concurrency=1,
        max_request_retries=5,
        request_handler_timeout_seconds=180,
    )


async def test_every_vendor_has_a_free_status(vendors, sandbox):
    for call in (
        vendors.insightiq.status(),
        vendors.apify.status(),
        vendors.apollo.status(),
        vendors.email_verifier.credits(),
        vendors.llm.status(),
        vendors.hubspot.status(),
    ):
        assert (await value_of(call)).detail
    assert sandbox.state.bill.total_micros() == 0


async def test_a_search_export_gives_as_many_profiles_as_are_billed(vendors, sandbox):
    status, profiles = await finished_job(vendors.insightiq.search_export(SEARCH))
    assert status.state is JobState.SUCCEEDED
    assert len({one.platform_username for one in profiles}) == 120
    assert sandbox.state.bill.total_micros("insightiq") == 120 * 20_000


async def test_short_and_failing_pages_of_an_export_lose_no_profile(vendors, sandbox):
    job = vendors.insightiq.search_export(SEARCH)
    status = await job.start(0)
    while (status := await job.poll(status.job_id)).state is JobState.RUNNING:
        pass
    sandbox.state.faults.set([Fault("insightiq", "search_export_poll", "short_page", "nth", 1)])
    items, offset = [], 0
    while offset is not None:
        page = await job.page(status, offset)
        items += page.items
        offset = page.next_offset
    assert len({one.platform_username for one in job.decode(items)}) == 120


async def test_a_creators_content_pictures_and_speech_reach_the_model(vendors, sandbox):
    _, profiles = await finished_job(vendors.insightiq.search_export(SEARCH))
    call = vendors.insightiq.contents_fetch(profile_url=profiles[0].url, work_platform_id=INSTAGRAM)
    contents = await value_of(call)
    assert contents.state is ContentState.FOUND
    assert contents.unreadable == 0
    urls = [item.thumbnail_url for item in contents.items if item.thumbnail_url][:3]
    thumbnails = [(await vendors.pages.read_media(url)).data for url in urls]
    picture = triage_picture(handle="a", followers=1, bio=None, thumbnails=thumbnails)
    request = ModelRequest(
        model="gpt-4o",
        system="Judge.",
        user=f"platform: instagram\nhandle: {profiles[0].platform_username}\n",
        fingerprint_text="",
        schema_name="triage_v1",
        schema=VERDICT,
        max_output_tokens=500,
        images=(picture,),
    )
    call = vendors.llm.answer(request)
    before = sandbox.state.bill.total_micros("openai")
    reply = await call.send()
    assert call.decode(reply.body).content["decision"] in ("reject", "continue")
    units = reply.units
    assert all(units[key] <= call.max_units[key] for key in units)
    micros = units["openai.gpt-4o.input"] * Decimal("2.5") + units["openai.gpt-4o.output"] * 10
    billed = sandbox.state.bill.total_micros("openai") - before
    assert billed == micros.to_integral_value(rounding="ROUND_CEILING")


async def test_speech_is_transcribed_and_billed_by_its_seconds(vendors, sandbox):
    _, profiles = await finished_job(vendors.insightiq.search_export(SEARCH))
    for profile in profiles:
        fetched = vendors.insightiq.contents_fetch(profile_url=profile.url, work_platform_id=INSTAGRAM)
        videos = [item for item in (await value_of(fetched)).items if item.format == "VIDEO" and item.media_url]
        if videos:
            break
    kept = await value_of(vendors.pages.media(videos[0].media_url, keep=keeper(vendors.media_store, LeadUid("l"))))
    data = await vendors.media_store.get(kept.key)
    seconds = media_seconds(data)
    call = vendors.llm.transcribe(
        data, content_type=kept.content_type, seconds=seconds, model="whisper-1", sha256=kept.sha256
    )
    reply = await call.send()
    assert call.decode(reply.body).text
    micros = (reply.units["openai.whisper-1"] * 6000).to_integral_value(rounding="ROUND_CEILING")
    assert sandbox.state.bill.total_micros("openai") == micros


async def test_every_actor_answers_and_reports_what_it_bills(vendors, sandbox):
    apify = vendors.apify
    status, found = await finished_job(apify.patreon(creators(), LIMITS))
    reported = [status.reported_micros]
    sites = [one for one in found.items if one.personal_website][:3]
    crawl = Crawl(
        extract=Extract.SITE,
        starts=tuple(CrawlStart(one.id, one.personal_website) for one in sites),
        max_concurrency=6,
        text_chars=2000,
        max_links=50,
        pages_per_start=4,
        crawl_words=("contact", "about"),
        crawl_paths=("contact", "about"),
    )
    status, pages = await finished_job(apify.cheerio(crawl, LIMITS))
    reported.append(status.reported_micros)
    assert {page.label for page in pages.items} == {one.id for one in sites}
    google = GoogleSearch(queries=('site:facebook.com/groups "hiking"',), results_per_page=20)
    domains = [one.personal_website.split("/")[2].removeprefix("www.") for one in sites]
    twitter = [one.twitter.rstrip("/").rpartition("/")[2] for one in found.items if one.twitter][:2]
    instagram = [one.instagram.rstrip("/").rpartition("/")[2] for one in found.items if one.instagram][:2]
    for job in (
        apify.google_search(google, LIMITS),
        apify.twitter_users([*twitter, "nobody_at_all_1"], LIMITS),
        apify.instagram_profiles([*instagram, "nobody_at_all_1"], LIMITS),
        apify.leads_finder(domains, fetch_count=15, limits=LIMITS),
    ):
        status, result = await finished_job(job)
        assert (status.state, result.unmapped, result.refusal) == (JobState.SUCCEEDED, 0, None)
        reported.append(status.reported_micros)
    assert sum(reported) == sandbox.state.bill.total_micros("apify")


async def test_a_run_that_is_asked_about_later_still_tells_what_it_cost(vendors, sandbox):
    status, _ = await finished_job(vendors.apify.patreon(creators(), LIMITS))
    assert status.reported_micros == sandbox.state.bill.total_micros("apify") > 0
    assert await value_of(vendors.apify.run_status(status.job_id)) == status


async def test_feeds_are_read_with_their_owner(vendors):
    _, found = await finished_job(vendors.apify.patreon(creators(most=100), LIMITS))
    feed = next(one for one in found.items if one.rss_url)
    crawl = Crawl(
        extract=Extract.FEED,
        starts=(CrawlStart("lead", feed.rss_url),),
        max_concurrency=20,
        text_chars=6000,
        max_links=50,
    )
    _, pages = await finished_job(vendors.apify.cheerio(crawl, LIMITS))
    (page,) = pages.items
    assert page.label == "lead"
    assert page.feed.author or page.feed.owner_name


async def test_a_run_whose_start_was_lost_is_found_and_not_bought_again(vendors, sandbox):
    job = vendors.apify.google_search(GoogleSearch(queries=("yoga",)), LIMITS)
    sandbox.state.faults.set([Fault("apify", "run_start", "closed_after", "nth", 1)])
    with pytest.raises(VendorError) as caught:
        await job.start(100_000)
    assert caught.value.error_class is ErrorClass.UNKNOWN
    sandbox_noon = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
    found = await job.find(sandbox_noon)
    assert found is not None
    other = vendors.apify.google_search(GoogleSearch(queries=("pilates",)), LIMITS)
    assert await other.find(sandbox_noon) is None


async def test_apollo_and_the_verifier_bill_what_they_report(vendors, sandbox):
    hits = 0
    for index in range(60):
        query = PersonQuery(domain=sandbox.state.world.patreon(index).domain or f"nobody-{index}.example")
        hits += len((await vendors.apollo.people_match(query).send()).units)
    assert hits > 0
    assert sandbox.state.bill.total_micros("apollo") == hits * 25_000
    verdict = await value_of(vendors.email_verifier.verify("nobody@no-such-host-9.example"))
    assert verdict.status in set(EmailStatus)
    assert sandbox.state.bill.total_micros("millionverifier") == 3_700


async def test_the_crm_gives_back_what_was_written(vendors):
    hubspot = vendors.hubspot
    unique = PropertyDefinition(
        name="creator_uid", label="Creator", type="string", field_type="text", has_unique_value=True
    )
    await value_of(hubspot.create_properties([unique]))
    assert "creator_uid" in {one.name for one in await value_of(hubspot.properties())}
    inputs = [
        WriteInput(trace_id="t1", id="u1", properties={"creator_uid": "u1", "email": "a@one-host.example"}),
        WriteInput(trace_id="t2", id="u2", properties={"creator_uid": "u2", "email": "no address"}),
    ]
    first, second = await value_of(hubspot.batch_upsert(id_property="creator_uid", inputs=inputs))
    assert (first.state, second.state) == (WriteState.CREATED, WriteState.REFUSED)
    (again,) = await value_of(hubspot.batch_upsert(id_property="creator_uid", inputs=inputs[:1]))
    assert (again.state, again.contact_id) == (WriteState.UPDATED, first.contact_id)
    clash = WriteInput(trace_id="t3", id="u3", properties={"creator_uid": "u3", "email": "a@one-host.example"})
    (conflict,) = await value_of(hubspot.batch_upsert(id_property="creator_uid", inputs=[clash]))
    assert (conflict.state, conflict.contact_id) == (WriteState.CONFLICT, first.contact_id)
    found = await value_of(
        hubspot.batch_read(id_property="email", ids=["A@one-host.example", "b@x.example"], properties=[])
    )
    assert (found.found["A@one-host.example"].id, found.missing, found.unknown) == (
        first.contact_id,
        ("b@x.example",),
        (),
    )
    change = WriteInput(trace_id="t4", id=first.contact_id, properties={"firstname": "Ann"})
    (updated,) = await value_of(hubspot.batch_update([change]))
    assert updated.state is WriteState.UPDATED
    assert (await value_of(hubspot.owners())).owners


async def test_own_sites_are_read_through_the_sandboxs_web_alone(vendors):
    _, found = await finished_job(vendors.apify.patreon(creators(), LIMITS))
    website = next(one.personal_website for one in found.items if one.personal_website)
    page = await value_of(vendors.pages.page(website))
    assert page.content_type == "text/html"
    assert page.text
    with pytest.raises(VendorError) as caught:
        await vendors.pages.page("https://no-such-site-at-all.example/").send()
    assert caught.value.error_class is ErrorClass.PERMANENT_ITEM


@pytest.mark.parametrize(
    ("kind", "error_class"),
    [
        ("rate_limited", ErrorClass.THROTTLED),
        ("unauthorized", ErrorClass.PERMANENT_SERVICE),
        ("closed_after", ErrorClass.UNKNOWN),
        ("hangs_before", ErrorClass.UNKNOWN),
        ("hangs_after", ErrorClass.UNKNOWN),
        ("truncated", ErrorClass.UNKNOWN),
        ("malformed", ErrorClass.UNKNOWN),
    ],
)
async def test_the_sandboxs_faults_are_classified_for_every_vendor_that_spends(vendors, sandbox, kind, error_class):
    sandbox.state.faults.set([Fault("*", "*", kind, seconds=0.05)])
    profile_url = sandbox.state.world.instagram(0).url
    request = ModelRequest(
        model="gpt-4o", system="s", user="u", fingerprint_text="u", schema_name="triage_v1", schema=VERDICT,
        max_output_tokens=50,
    )  # fmt: skip
    sends = [
        lambda: vendors.insightiq.contents_fetch(profile_url=profile_url, work_platform_id=INSTAGRAM).send(),
        lambda: vendors.insightiq.search_export(SEARCH).start(0),
        lambda: vendors.apify.google_search(GoogleSearch(queries=("a",)), LIMITS).start(10_000),
        lambda: vendors.apollo.people_match(PersonQuery(name="a")).send(),
        lambda: vendors.email_verifier.verify("a@b.example").send(),
        lambda: vendors.llm.answer(request).send(),
    ]
    for send in sends:
        with pytest.raises(VendorError) as caught:
            await send()
        assert caught.value.error_class is error_class, caught.value
