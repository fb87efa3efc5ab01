"""No text from outside makes a reader work longer than its length allows (I-63): each runs on the event loop."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from socialanalyzer_dagster.domain import (
    emails,
    found_text,
    hosts,
    human_numbers,
    link_text,
    links,
    markdown,
    names,
    outside_text,
    phones,
    salutation,
    score_prompts,
    sensitive,
    suppression,
)
from socialanalyzer_dagster.domain.list_json import read_json
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.robots_rules import parse_robots
from socialanalyzer_dagster.platforms.site_pages import parsed_page
from socialanalyzer_dagster.vendors.apify_items import CrawledPage
from socialanalyzer_dagster.vendors.pages import Page

_LENGTH = 100_000
_POLICY = shipped_policy()
_WORDS = sensitive.sensitive_words(_POLICY.privacy)
_TERM = _WORDS.terms[0][1][0]
_PAGE_CHARS = 600_000
_PAGES = {
    "open elements": "<div>" * (_PAGE_CHARS // 5),
    "list items": "<ul><li>" * (_PAGE_CHARS // 8),
    "elements closed by others": "<b>" * (_PAGE_CHARS // 8) + "</p>" * (_PAGE_CHARS // 8),
    "attributes": "<p " + " ".join(f"a{number}=1" for number in range(_PAGE_CHARS // 9)) + ">",
    "formatting": "".join(f"<font a{number}=1>" for number in range(_PAGE_CHARS // 14)) + "<p>x",
    "one attribute": f"<p x='{'a' * _PAGE_CHARS}'>",
    "entities": "&amp" * (_PAGE_CHARS // 4),
    "scripts": "<script>" * (_PAGE_CHARS // 8),
}
_PIECES = {
    "labels": "a.", "labels behind an at": "x@a.", "at signs": "@", "addresses": "a@b.co ", "mail links": "mailto:",
    "encoded mail links": "mailto:a%40b", "links": "http://", "link paths": "http://a.co/", "hidden at": "a [at] ",
    "hidden dot": "b [dot] ", "digits": "1", "dashes": "1-", "phone parts": "(1) ", "spaces": " ", "brackets": "([{",
    "invisible": "\u200b", "commas": "1,", "names": "Ada ", "quotes": "\"'", "pipes": "|\\", "percent": "%40",
    "styled": "𝐚", "expanding": "ﷺ", "lines": "a\n", "colons": "a:", "slashes": "a/",
    "tags": "<a href='x'>", "words": "of ", "full stops": ".", "decimals": "1.", "marks": "\u0301\u0316",
    "mixed marks": "\uff9e\u0301", "open elements": "<div>", "closed elements": "<b></p>", "list items": "<ul><li>",
}  # fmt: skip


def _parsed(html: str) -> CrawledPage:
    return parsed_page(Page(url="https://a.example/", content_type="text/html", text=html), "lead")


_READERS: Mapping[str, Callable[[str], Any]] = {
    "emails": lambda text: emails.contact_emails(f"x@{text} at %40", _POLICY.emails),
    "one address": emails.canonical_email,
    "phone": phones.canonical_phone,
    "links": lambda text: link_text.links_in_text(text, _POLICY.hosts),
    "one link": lambda text: links.classify(text, _POLICY.hosts),
    "canonical link": links.canonical_url,
    "site": hosts.domain_name,
    "members": found_text.members_in,
    "posts": found_text.posts_per_month_in,
    "visibility": found_text.visibility_in,
    "search words": found_text.neutral_words,
    "names beside a role": lambda text: names.names_beside_role(text, _POLICY.emails),
    "name at the start": lambda text: names.name_at_start(text, _POLICY.emails),
    "full name": lambda text: names.is_full_name(text, _POLICY.emails),
    "count": human_numbers.read_count,
    "storable": outside_text.storable,
    "printable": outside_text.printable,
    "account name": partial(outside_text.account_name, max_chars=80),
    "comparable": outside_text.comparable,
    "markdown": markdown.plain,
    "salutation": salutation.fallback_salutation,
    "sensitive words": partial(sensitive.sensitive_kinds, words=_WORDS),
    "audience counts": score_prompts.without_audience_counts,
    "phone by its marks": lambda text: phones.canonical_phone(f"+{text} ext"),
    "people in it": lambda text: suppression.is_about_listed(
        {"text": text}, platform="instagram", listed=frozenset({("handle", "none")}), key=b"k" * 32
    ),
    "robots": lambda text: parse_robots(f"user-agent: *\nallow: {text}", "bot").allows(f"/{text[:2000]}"),
    "page": _parsed,
}


@contextmanager
def not_hanging(what: str, seconds: float = 3.0) -> Iterator[None]:
    """Fails work that does not come back; what grows with the length alone takes a tenth of the time."""

    def give_up(*_: object) -> None:
        pytest.fail(f"{what}: still busy after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reader", _READERS)
def test_i_63_no_long_text_keeps_its_reader_busy(reader: str):
    for name, piece in _PIECES.items():
        with not_hanging(name):
            _READERS[reader](piece * (_LENGTH // len(piece)))


@pytest.mark.parametrize("page", _PAGES)
def test_i_63_no_large_page_keeps_the_parser_busy(page: str):
    with not_hanging(page, seconds=12.0):
        _parsed(_PAGES[page])


def test_i_63_full_stops_keep_no_look_for_sensitive_words_busy():
    with not_hanging("full stops"):
        assert sensitive.sensitive_kinds(f"She is {_TERM} {'.' * _LENGTH}x", _WORDS) == (_WORDS.terms[0][0],)


def test_i_63_many_small_items_behind_a_large_one_are_read_once(tmp_path: Path):
    path = tmp_path / "list.json"
    path.write_text(f'["{"a" * 2_150_000}",{"1," * 300_000}1]')
    with not_hanging("small items", seconds=12.0):
        assert sum(1 for _ in read_json(path)) == 300_002


def test_i_63_the_rules_kept_of_a_site_are_bounded_in_number_and_in_length():
    rules = parse_robots("user-agent: *\n" + "disallow: /é\n" * 30_000, "bot").rules
    assert len(rules) == 2_000
    rules = parse_robots("user-agent: *\ndisallow: /a\n" + f"disallow: /{'é' * 5_000}\n" * 50, "bot").rules
    assert sum(len(pattern) for pattern, _ in rules) <= 100_000
    assert rules[0] == ("/a", False)


def test_i_63_a_page_gives_its_mail_addresses_after_any_number_of_links_and_scripts():
    links = "".join(f"<a href='/{number}'>x</a>" for number in range(300))
    script = f"<SCRIPT type='x'>{'<b>' * 200_000}</SCRIPT >"
    page = _parsed(f"<body>{script}<p>before</p>{links}<a href='MAILTO:ada@a.example?subject=x'>mail</a>")
    assert page.mailto == ("ada@a.example",)
    assert len(page.links) == 200
    assert page.text is not None
    assert page.text.startswith("before")


def test_i_13_of_many_combining_marks_thirty_stay():
    assert outside_text.nfkc("a" + "\u0316" * 100 + "b" + "\uff76\uff9e") == "a" + "\u0316" * 30 + "b\u30ac"
