"""The seeded world: lazy, deterministic, consistent, and spread like real life."""

import os
import subprocess
import sys
from itertools import islice, pairwise

import pytest

from socialanalyzer_dagster.sandbox.config import WORLD_EPOCH, SandboxConfig
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.world.models import Creator
from socialanalyzer_dagster.sandbox.world.queries import BioClause, InstagramQuery
from socialanalyzer_dagster.sandbox.world.world import FACEBOOK_GROUPS, INSTAGRAM_CREATORS, PATREON_CREATORS, World

SAMPLE = 120
USUAL = InstagramQuery(
    follower_min=20_000,
    follower_max=900_000,
    language="en",
    country_code="US",
    requires_email=True,
    audience_usa_above=30,
    credibility=("EXCELLENT", "HIGH", "NORMAL"),
)


@pytest.fixture(scope="module")
def world() -> World:
    return World(7, WORLD_EPOCH)


def sample(world: World) -> list[Creator]:
    step = 157
    found: list[Creator] = [world.instagram(index * step) for index in range(SAMPLE)]
    found += [world.patreon(index * step) for index in range(SAMPLE)]
    return found + [world.facebook(index * step) for index in range(SAMPLE)]


def test_the_world_has_the_promised_size() -> None:
    assert (INSTAGRAM_CREATORS, PATREON_CREATORS, FACEBOOK_GROUPS) == (100_000, 30_000, 20_000)


def test_constructing_a_sandbox_makes_no_creator() -> None:
    assert SandboxState(SandboxConfig()).world.generated == 0


def test_one_seed_gives_one_world_in_any_order() -> None:
    first, second = World(11, WORLD_EPOCH), World(11, WORLD_EPOCH)
    forward = [first.instagram(index) for index in (5, 70_000, 99_999)]
    backward = [second.instagram(index) for index in (99_999, 70_000, 5)]
    assert forward == backward[::-1]
    assert first.instagram_posts(forward[0].handle) == second.instagram_posts(forward[0].handle)


def test_one_seed_gives_one_world_in_every_process() -> None:
    script = (
        "from socialanalyzer_dagster.sandbox.config import WORLD_EPOCH\n"
        "from socialanalyzer_dagster.sandbox.world.world import World\n"
        "world = World(11, WORLD_EPOCH)\n"
        "print([repr(made(77)) for made in (world.instagram, world.patreon, world.facebook)])\n"
        "print(world.google('site:facebook.com/groups hiking'), world.instagram_posts(world.instagram(3).handle))\n"
    )
    told = [
        subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-c", script], env=os.environ | {"PYTHONHASHSEED": salt}, capture_output=True, check=True
        ).stdout
        for salt in ("1", "2")
    ]
    assert told[0] == told[1] != b""


def test_another_seed_gives_another_world() -> None:
    assert World(11, WORLD_EPOCH).patreon(1) != World(12, WORLD_EPOCH).patreon(1)


def test_every_creator_is_found_again_by_its_handle(world: World) -> None:
    for creator in sample(world):
        assert world.creator(creator.platform, creator.handle) == creator


def test_a_patreon_page_is_found_by_its_number_too(world: World) -> None:
    page = world.patreon(1234)
    assert world.patreon_by_vanity(page.campaign_id) == page


def test_handles_are_unique(world: World) -> None:
    creators = [world.instagram(index).handle for index in range(2_000)]
    assert len(set(creators)) == len(creators)


@pytest.mark.parametrize("handle", ["", "nobody", "trail.ada", "18+", "ünïcode", "a" * 500, "notes_i0000001"])
def test_a_handle_outside_the_world_belongs_to_nobody(world: World, handle: str) -> None:
    assert world.instagram_by_handle(handle) is None
    assert world.patreon_by_vanity(handle) is None
    assert world.facebook_by_slug(handle) is None
    assert world.instagram_posts(handle) is None


def test_followers_never_rise_with_the_rank(world: World) -> None:
    followers = [world.instagram(index).follower_count for index in range(0, INSTAGRAM_CREATORS, 997)]
    assert followers == sorted(followers, reverse=True)


def test_a_search_gives_only_what_fits_most_followers_first(world: World) -> None:
    query = InstagramQuery(
        follower_min=20_000,
        follower_max=900_000,
        language="en",
        requires_email=True,
        hashtags=("hiking",),
        clauses=(BioClause("retreat", "AND"), BioClause("coach", "NOT")),
    )
    found = list(islice(world.search_instagram(query), 40))
    assert found
    assert [creator.follower_count for creator in found] == sorted((c.follower_count for c in found), reverse=True)
    for creator in found:
        assert 20_000 <= creator.follower_count <= 900_000
        assert "hiking" in creator.hashtags
        assert creator.language == "en"
        assert creator.contact.listed_email
        assert creator.bio is not None
        assert "retreat" in creator.bio.lower()
        assert "coach" not in creator.bio.lower()


def test_a_search_skips_nobody_who_fits(world: World) -> None:
    query = InstagramQuery(follower_min=1_000_000, hashtags=("yoga",), clauses=(BioClause("yoga teacher", "OR"),))
    found = {creator.index for creator in world.search_instagram(query)}
    candidates = [world.instagram(index) for index in range(2_000)]
    assert found == {
        creator.index
        for creator in candidates
        if creator.follower_count >= 1_000_000
        and "yoga" in creator.hashtags
        and "yoga teacher" in (creator.bio or "").lower()
    }


def test_hashtags_made_with_a_word_of_a_topic_are_used_by_some(world: World) -> None:
    found = list(islice(world.search_instagram(InstagramQuery(hashtags=("hikingtips",))), 20))
    assert len(found) == 20
    assert {creator.niche for creator in found} == {"hiking"}
    assert not list(world.search_instagram(InstagramQuery(hashtags=("quantumphysics",))))


def test_an_ascending_search_is_the_descending_one_reversed(world: World) -> None:
    down = list(world.search_instagram(InstagramQuery(follower_min=2_000_000, interests=("Music",))))
    up = list(world.search_instagram(InstagramQuery(follower_min=2_000_000, interests=("Music",), is_ascending=True)))
    assert up == down[::-1]


def test_most_creators_that_fit_the_usual_filters_pass_screening(world: World) -> None:
    found = list(islice(world.search_instagram(USUAL), 300))
    passing = [
        creator
        for creator in found
        if creator.truth.reject_code is None and creator.truth.activity == "active" and not creator.is_private
    ]
    assert 0.70 <= len(passing) / len(found) <= 0.92


def test_about_four_of_five_mailboxes_are_fine(world: World) -> None:
    statuses = [creator.truth.mailbox for creator in islice(world.search_instagram(USUAL), 300)]
    assert 0.70 <= statuses.count("ok") / len(statuses) <= 0.88
    assert {"catch_all", "unknown", "invalid", "disposable"} <= set(statuses)


def test_hosts_are_of_every_quality(world: World) -> None:
    quality = [sum(creator.truth.dimensions) / 5 for creator in sample(world)]
    assert min(quality) < 0.2
    assert max(quality) > 0.8
    assert 0.15 < sum(value >= 0.6 for value in quality) / len(quality) < 0.5


def test_bios_come_in_every_shape(world: World) -> None:
    bios = [world.instagram(index * 31).bio for index in range(1_500)]
    texts = [bio for bio in bios if bio is not None]
    assert None in bios
    assert max(map(len, texts)) > 800
    assert any(not bio.isascii() for bio in texts)
    injecting = [world.instagram(index * 31).truth.is_injecting for index in range(1_500)]
    assert 0.005 < sum(injecting) / len(injecting) < 0.04


def test_what_can_be_seen_agrees_with_the_truth(world: World) -> None:
    golfer = next(creator for creator in map(world.instagram, range(2_000)) if creator.niche == "golf")
    captions = " ".join(post.caption or "" for post in world.instagram_posts(golfer.handle) or [])
    assert golfer.truth.reject_code == "topic_golf"
    assert any(word in captions for word in ("slice", "links", "chip", "golf"))


@pytest.mark.parametrize(
    ("activity", "newest_days", "has_gap"), [("active", 7, False), ("inactive", 300, False), ("gap", 7, True)]
)
def test_posts_are_dated_as_active_as_their_creator_is(
    world: World, activity: str, newest_days: int, has_gap: bool
) -> None:
    creator = next(found for found in map(world.instagram, range(5_000)) if found.truth.activity == activity)
    dates = [
        post.published_at
        for post in world.instagram_posts(creator.handle) or []
        if post.kind != "STORY" and not post.is_pinned
    ]
    gaps = [(newer - older).days for newer, older in pairwise(dates)]
    assert (WORLD_EPOCH - dates[0]).days <= newest_days
    assert ((WORLD_EPOCH - dates[0]).days >= 43) == (activity == "inactive")
    assert (max(gaps) >= 43) == has_gap


def test_an_account_without_content_has_no_feed_items(world: World) -> None:
    creator = next(found for found in map(world.instagram, range(9_000)) if found.truth.activity == "empty")
    assert all(post.kind == "STORY" for post in world.instagram_posts(creator.handle) or [])


def test_every_mailbox_answers_as_its_owner_has_it(world: World) -> None:
    for creator in sample(world):
        if creator.contact.email is not None:
            assert world.mailbox(creator.contact.email) == creator.truth.mailbox


def test_an_address_outside_the_world_always_gets_the_same_result(world: World) -> None:
    addresses = [f"reader{number}@village-mail.org" for number in range(300)]
    results = [world.mailbox(address) for address in addresses]
    assert results == [World(7, WORLD_EPOCH).mailbox(address) for address in addresses]
    assert 0.7 < results.count("ok") / len(results) < 0.9
    assert world.mailbox("no address") == "invalid"


def test_accounts_elsewhere_lead_back_to_their_owner(world: World) -> None:
    for creator in sample(world):
        links = creator.links
        if links.twitter is not None:
            account = world.twitter_user(links.twitter.rpartition("/")[2])
            assert account is not None
            assert account.owner == creator
        if links.youtube is not None:
            assert world.page(f"{links.youtube}/about").status == 200
        if links.aggregator is not None:
            assert world.page(links.aggregator).status == 200
        if creator.domain is not None:
            assert world.owner_of_domain(creator.domain) == creator


def test_a_site_redirects_to_its_canonical_host(world: World) -> None:
    creator = next(found for found in sample(world) if found.domain is not None)
    page = world.page(f"http://{creator.domain}/about")
    assert (page.status, page.location) == (301, f"https://www.{creator.domain}/about")


def test_an_unknown_page_is_not_found(world: World) -> None:
    assert world.page("https://www.nowhere-in-this-world.com/").status == 404


def test_feeds_name_their_owner(world: World) -> None:
    creator = next(
        found for found in sample(world) if found.links.rss is not None and world.page(found.links.rss).status == 200
    )
    assert creator.links.rss is not None
    page = world.page(creator.links.rss)
    assert page.content_type.startswith("application/rss+xml")
    assert f"<itunes:name>{creator.contact.first_name} {creator.contact.last_name}</itunes:name>" in page.body


def test_group_searches_give_group_addresses_of_the_asked_visibility(world: World) -> None:
    found = world.google('site:facebook.com/groups "hiking" "private group"')
    assert len(found) > 10
    assert [result.position for result in found] == list(range(1, len(found) + 1))
    groups = {result.url.split("/groups/")[1].split("/")[0] for result in found}
    known = [world.facebook_by_slug(slug) for slug in groups]
    assert all(group is not None and group.visibility == "private" and group.niche == "hiking" for group in known)


def test_a_quoted_name_finds_its_owner(world: World) -> None:
    group = next(found for found in map(world.facebook, range(50)) if found.contact.linkedin_url is not None)
    found = world.google(f'"{group.display_name}" organizer linkedin.com')
    assert found[0].url == group.contact.linkedin_url


def test_patreon_searches_know_any_word(world: World) -> None:
    assert next(world.search_patreon("knitting")).niche == "knitting"
    assert all("podcast" in page.handle for page in islice(world.search_patreon("podcasts"), 20))
    assert list(world.search_patreon("quantum chromodynamics"))


def test_people_are_found_by_domain_but_not_under_a_foreign_name(world: World) -> None:
    owner = next(found for found in sample(world) if found.domain is not None and found.truth.apollo_knows)
    assert owner.domain is not None
    person = world.person(domain=owner.domain)
    assert person is not None
    assert person.email == owner.contact.owner_email
    assert world.person(domain=owner.domain, name="Somebody Else") is None
    assert world.person(name="Somebody Else") is None


def test_a_leads_database_lists_the_owner_first(world: World) -> None:
    owner = next(found for found in sample(world) if found.domain is not None and found.truth.leads_finder_knows)
    assert owner.domain is not None
    people = world.leads_of_domain(owner.domain)
    assert people[0].email == owner.contact.owner_email
    assert world.leads_of_domain("unknown-domain.org") == []


def test_an_index_outside_the_world_is_an_error(world: World) -> None:
    with pytest.raises(IndexError):
        world.instagram(INSTAGRAM_CREATORS)
