"""No text from outside makes a reader work longer than its length allows (I-63): each runs on the event loop."""

import signal
from collections.abc import Callable, Iterator, Mapping
from functools import partial
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
    sensitive,
    suppression,
)
from socialanalyzer_dagster.domain.policy import shipped_policy
from socialanalyzer_dagster.domain.robots_rules import parse_robots
from socialanalyzer_dagster.platforms.site_pages import parsed_page
from socialanalyzer_dagster.vendors.pages import Page

_LENGTH = 120_000
_HANGS_SECONDS = 12
_POLICY = shipped_policy()
_WORDS = sensitive.sensitive_words(_POLICY.privacy)
_PIECES = {
    "labels": "a.", "labels behind an at": "x@a.", "at signs": "@", "addresses": "a@b.co ", "mail links": "mailto:",
    "encoded mail links": "mailto:a%40b", "links": "http://", "link paths": "http://a.co/", "hidden at": "a [at] ",
    "hidden dot": "b [dot] ", "digits": "1", "dashes": "1-", "phone parts": "(1) ", "spaces": " ", "brackets": "([{",
    "invisible": "\u200b", "commas": "1,", "names": "Ada ", "quotes": "\"'", "pipes": "|\\", "percent": "%40",
    "styled": "𝐚", "expanding": "ﷺ", "lines": "a\n", "colons": "a:", "slashes": "a/",
    "tags": "<a href='x'>", "words": "of ",
}  # fmt: skip
_READERS: Mapping[str, Callable[[str], Any]] = {
    "emails": lambda text: emails.contact_emails(text, _POLICY.emails),
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
    "people in it": lambda text: suppression.is_about_listed(
        {"text": text}, platform="instagram", listed=frozenset({("handle", "none")}), key=b"k" * 32
    ),
    "robots": lambda text: parse_robots(f"user-agent: *\nallow: {text}", "bot").allows(f"/{text[:2000]}"),
    "page": lambda text: parsed_page(Page(url="https://a.example/", content_type="text/html", text=text), "lead"),
}


@pytest.fixture
def hangs() -> Iterator[None]:
    """Ends a reader that does not come back; a linear one takes a hundredth of the time."""

    def give_up(*_: object) -> None:
        pytest.fail(f"the reader was still busy after {_HANGS_SECONDS} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_HANGS_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reader", _READERS)
def test_i_63_no_long_text_keeps_its_reader_busy(reader: str, hangs: None):
    for piece in _PIECES.values():
        text = piece * (_LENGTH // len(piece))
        for whole in (text, f"x@{text} at %40"):  # the second gets past the question whether an address may be in it
            _READERS[reader](whole)
