"""Which addresses are profiles, and their canonical spelling (spec 6.4, 6.5, I-9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.link_text import addresses_in_text, links_in_text
from socialanalyzer_dagster.domain.links import accept, canonical_url, classify, group_link, merge_links, social_link
from socialanalyzer_dagster.domain.policy import shipped_policy

HOSTS = shipped_policy().hosts


@pytest.mark.parametrize(
    ("url", "kind", "canonical"),
    [
        ("instagram.com/Ada.Trail/", "instagram", "https://www.instagram.com/ada.trail"),
        ("https://m.youtube.com/@Ada/about", "youtube", "https://www.youtube.com/@ada"),
        ("https://www.youtube.com/channel/UCabC-1", "youtube", "https://www.youtube.com/channel/UCabC-1"),
        ("https://youtube.com/c/AdaTrail", "youtube", "https://www.youtube.com/c/adatrail"),
        ("https://twitter.com/Ada?lang=en", "twitter", "https://x.com/ada"),
        ("http://x.com/Ada", "twitter", "https://x.com/ada"),
        ("https://uk.linkedin.com/in/Ada-Trail/", "linkedin", "https://www.linkedin.com/in/ada-trail"),
        ("https://www.tiktok.com/@ada", "tiktok", "https://www.tiktok.com/@ada"),
        ("https://www.facebook.com/Ada.Trail", "facebook", "https://www.facebook.com/ada.trail"),
        ("https://facebook.com/profile.php?id=1000123", "facebook", "https://www.facebook.com/profile.php?id=1000123"),
        ("https://twitch.tv/ada", "twitch", "https://www.twitch.tv/ada"),
        ("https://discord.com/invite/AbC1", "discord", "https://discord.gg/AbC1"),
        ("https://www.patreon.com/18+", "patreon", "https://www.patreon.com/18+"),
        ("patreon.com/c/Ada/posts", "patreon", "https://www.patreon.com/ada"),
        ("https://www.pinterest.co.uk/ada", "pinterest", "https://www.pinterest.com/ada"),
        ("https://ada.substack.com/p/one", "substack", "https://ada.substack.com"),
        ("https://linktr.ee/Ada?utm_source=ig", "link_aggregator", "https://linktr.ee/Ada"),
        ("https://ada.carrd.co/#about", "link_aggregator", "https://ada.carrd.co"),
        ("https://feeds.transistor.fm/ada", "rss", "https://feeds.transistor.fm/ada"),
        ("HTTPS://AdaTrail.com:443/?fbclid=1", "personal_website", "https://adatrail.com"),
    ],
)
def test_an_address_has_one_kind_and_one_spelling(url, kind, canonical):
    link = classify(url, HOSTS)
    assert link is not None
    assert (link.kind.value, link.url) == (kind, canonical)
    assert classify(link.url, HOSTS) == link


@pytest.mark.parametrize(
    "url",
    [
        *(f"https://www.instagram.com/{path}" for path in ("p/abc", "reel/abc", "stories/ada", "explore", "tv/x", "")),
        *(
            f"https://x.com/{path}"
            for path in (
                "home",
                "search",
                "explore",
                "notifications",
                "messages",
                "i",
                "intent/tweet?text=x",
                "hashtag/x",
                "share",
            )
        ),
        *(f"https://youtube.com/{path}" for path in ("watch?v=1", "shorts/1", "playlist?list=1", "results?q=x")),
        *(
            f"https://facebook.com/{path}"
            for path in ("sharer/sharer.php?u=x", "share", "dialog/share", "groups/abc", "sharer.php")
        ),
        "https://l.facebook.com/l.php?u=https://evil.com",
        "https://www.linkedin.com/shareArticle?url=x",
        "https://www.linkedin.com/feed",
        "https://help.instagram.com/123",
        "https://youtu.be/abc",
        "https://x.com/ada/status/1",
        "javascript:alert('instagram.com/ada')",
        "data:text/html,https://x.com/ada",
        "ftp://adatrail.com",
        "https://linktr.ee/",
        "https://gumroad.com/ada",
    ],
)
def test_share_links_posts_and_foreign_schemes_are_no_link(url):
    assert classify(url, HOSTS) is None


@pytest.mark.parametrize("url", ["https://wix.com/ada", "https://travelfox.com/ada", "https://myfacebook.com/ada"])
def test_a_host_that_ends_like_a_social_site_is_a_website(url):
    link = classify(url, HOSTS)
    assert link is not None
    assert link.kind is LinkKind.PERSONAL_WEBSITE


def test_an_address_is_accepted_only_as_its_own_kind():
    assert accept(LinkKind.TWITTER, "https://wix.com/ada", HOSTS) is None
    assert accept(LinkKind.RSS, "https://adatrail.com/podcast", HOSTS) is not None
    assert accept(LinkKind.RSS, "https://x.com/ada", HOSTS) is None


@pytest.mark.parametrize(
    ("url", "group"),
    [
        ("https://m.facebook.com/groups/Hikers.Denver/posts/12?x=1", "hikers.denver"),
        ("https://www.facebook.com/groups/123456/", "123456"),
        ("https://www.facebook.com/groups/feed/", None),
        ("https://www.facebook.com/hikers", None),
        ("https://example.com/groups/1", None),
    ],
)
def test_groups_have_a_canonical_address(url, group):
    link = group_link(url)
    assert (link.handle if link else None) == group
    assert link is None or link.url == f"https://www.facebook.com/groups/{group}"


def test_the_first_source_wins_never_the_last():
    sources = [{"youtube": "a"}, {"youtube": "b", "rss": "c"}, {"rss": "d"}]
    assert merge_links(sources) == {"youtube": "a", "rss": "c"}


def test_links_are_found_in_prose_in_order_of_appearance():
    text = (
        "All here: linktr.ee/ada (and https://x.com/ada). Shop: www.AdaTrail.com/, ada@adatrail.com. end.Next e.g.this"
    )
    assert [link.url for link in links_in_text(text, HOSTS)] == [
        "https://linktr.ee/ada",
        "https://x.com/ada",
        "https://www.adatrail.com",
    ]


@given(st.text(max_size=500))
def test_any_text_can_be_searched_for_links(text):
    for address in addresses_in_text(text):
        classify(address, HOSTS)
    links_in_text(text, HOSTS)


@given(
    st.sampled_from(["instagram.com", "patreon.com", "facebook.com/groups", "youtube.com", "substack.com"]),
    st.text(max_size=60),
)
def test_canonical_links_are_stable_whatever_the_path(host, path):
    url = f"https://{host}/{path}"
    for read in (social_link, group_link):
        link = read(url)
        assert link is None or read(link.url) == link
    canonical = canonical_url(url)
    assert canonical is None or canonical_url(canonical) == canonical
