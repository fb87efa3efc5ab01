"""What a person leaves in text is found and taken out, and nobody else's words are."""

import json
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socialanalyzer_dagster.domain.address_sieve import AddressSieve
from socialanalyzer_dagster.domain.emails import canonical_email, find_emails
from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.outside_text import any_case, nfkc
from socialanalyzer_dagster.domain.person_names import person_named
from socialanalyzer_dagster.domain.traces import ERASED, Traces, traces_of, united
from socialanalyzer_dagster.domain.word_sieve import WordSieve

ADA = traces_of(
    [
        Identifier(IdentifierKind.HANDLE, "instagram:ada.trail"),
        Identifier(IdentifierKind.HANDLE, "patreon:77"),
        Identifier(IdentifierKind.EMAIL, "adatrail@gmail.com"),
        Identifier(IdentifierKind.PHONE, "+1 303 555 0100"),
        Identifier(IdentifierKind.PROFILE_URL, "https://adatrail.com"),
    ],
    names=["Ada Trailwalker", "Ada"],
    marks=["0f4c-uid"],
)


@pytest.mark.parametrize(
    "text",
    [
        "write to Ada.Trail+news@googlemail.com!",
        "thanks @Ada.Trail for the photo",
        "https://www.instagram.com/ada.trail/?x=1",
        "see www.adatrail.com/about",
        "I hiked with @ada.trail.",
        "Write to instagram.com/ada.trail. Thanks",
        "Ada Trailwalker is back",
        "lead 0f4c-uid",
        "instagram:ada.trail",
    ],
)
def test_text_that_names_the_person_is_found(text):
    assert ADA.are_in_prose(text)
    assert ADA.without_prose({"a": ["kept", text]}) == {"a": ["kept", ERASED]}


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "Ada likes it",
        "ada.trails",
        "@ada.trailer",
        "/77",
        "nada.trail",
        "myadatrail.com",
        "",
        "ada@trail.com",
        "@ada.trail.doe",
        "instagram.com/ada.trail-doe",
        "my-adatrail.com",
        "adatrail.com.au",
        "Ada Trailwalker-Doe",
    ],
)
def test_words_of_others_are_left_alone(text):
    assert not ADA.are_in_prose(text)


def test_a_handle_or_number_alone_counts_in_vendor_data_only():
    assert not ADA.are_in_prose("ada.trail")
    assert ADA.are_in_data({"username": "Ada.Trail"})
    assert ADA.are_in_data({"phones": [{"raw": "(303) 555-0100"}]})
    assert ADA.are_in_data({"ada.trail": 1})
    assert not ADA.are_in_data({"id": "77", "count": 77, "none": None})
    assert ADA.are_in_json_text(json.dumps({"username": "Ada.Trail"}))


def test_items_about_the_person_are_emptied_and_the_others_keep_their_places():
    items = [{"username": "bea"}, {"username": "ada.trail", "bio": "up the hill"}, {}, {"username": "cas"}]
    left, hits = ADA.without_items(items)
    assert (left, hits) == ([{"username": "bea"}, {}, {}, {"username": "cas"}], 1)


def test_nobody_is_in_no_text():
    nobody = traces_of([])
    assert not nobody.are_in_prose("anything")
    assert not nobody.are_in_data({"a": "b"})
    assert not nobody.are_in_json_text('"a"')


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Ada.Trail@GMAIL.com", IdentifierKind.EMAIL),
        ("+1 303 555 0100", IdentifierKind.PHONE),
        ("instagram:@ada", IdentifierKind.HANDLE),
        ("https://instagram.com/ada", IdentifierKind.PROFILE_URL),
        ("instagram.com/ada", IdentifierKind.PROFILE_URL),
        ("tiktok.com/@ada", IdentifierKind.PROFILE_URL),
        ("facebook.com/groups/hike/posts/1", IdentifierKind.PROFILE_URL),
        ("adatrail.com", IdentifierKind.PROFILE_URL),
        ("twitter:ada", IdentifierKind.HANDLE),
        ("mailto:ada@gmail.com", IdentifierKind.EMAIL),
        ("tel:+1-303-555-0100", IdentifierKind.PHONE),
    ],
)
def test_an_identifier_is_read_as_what_it_is(text, kind):
    assert person_named(text, kind=None, platforms=("testbook",)).kind is kind
    assert person_named(text, kind=kind, platforms=("testbook",)).kind is kind


@pytest.mark.parametrize(
    ("text", "right"),
    [
        *((text, "") for text in ("", "ada", "call me", "http://ada", "ada.trail")),
        *((text, "name@site.com") for text in ("ada@agency.com.", "jan\xe9@agency.com", "ada@agency.com?subject=a")),
        *((text, "platform:handle") for text in ("@ada", "@ada.trail", "instagram:ada/", "instagram:@")),
        *((text, "must be one of: discord, facebook, instagram") for text in ("ig:ada", "x:ada", "rss:ada")),
        *(
            (text, "the profile or group itself")
            for text in ("instagram.com/ada/reels/", "x.com/ada/status/1", "https://tiktok.com/@ada/video/1", "t.co/a")
        ),
        ("https://ada@agency.com/", "name@site.com"),
    ],
)
def test_what_is_only_nearly_an_identifier_is_refused_with_what_would_be_right(text, right):
    with pytest.raises(FilterProblems) as refused:
        person_named(text, kind=None, platforms=("testbook",))
    assert right in str(refused.value)


@pytest.mark.parametrize("text", ["ada@agency.com", "instagram.com/ada/reels", "ada.trail"])
def test_no_kind_makes_a_profile_of_what_is_none(text):
    with pytest.raises(FilterProblems):
        person_named(text, kind=IdentifierKind.PROFILE_URL, platforms=())


_NAMES = ["ada", "Ada.Trail", "kim", "jane+x", "\u0131da", "stra\u00dfe", "info"]
_DOMAINS = ["gmail.com", "googlemail.com", "trail.example", "pm.me", "my-site.co.uk"]
_IDENTIFIERS = st.one_of(
    st.builds(lambda name: Identifier(IdentifierKind.HANDLE, f"instagram:{name}"), st.sampled_from(_NAMES)),
    st.builds(
        lambda name, domain: Identifier(IdentifierKind.EMAIL, f"{name}@{domain}"),
        st.sampled_from(_NAMES),
        st.sampled_from(_DOMAINS),
    ),
    st.builds(lambda domain: Identifier(IdentifierKind.PROFILE_URL, f"https://{domain}/"), st.sampled_from(_DOMAINS)),
)
_WRITTEN = st.builds(
    lambda who, spelled, before, after: before + spelled(who.value) + after,
    _IDENTIFIERS,
    st.sampled_from(
        [
            str,
            str.upper,
            lambda text: text.partition(":")[2],
            lambda text: text.replace("k", "\u212a").replace("s", "\u017f").replace("i", "\u0130"),
            lambda text: text.replace("@", " (at) ").replace(".", " [dot] "),
            lambda text: "mailto:%61" + text[1:].replace("@", "%40"),
        ]
    ),
    st.sampled_from(["", "@", "/", '"', "x", " "]),
    st.sampled_from(["", '"', ".", "x", " "]),
)


@settings(max_examples=60)
@given(
    people=st.lists(st.lists(_IDENTIFIERS, min_size=1, max_size=3), max_size=4), texts=st.lists(_WRITTEN, max_size=4)
)
def test_several_people_are_found_together_where_one_of_them_is_found(
    people: Sequence[Sequence[Identifier]], texts: Sequence[str]
) -> None:
    each = [traces_of(identifiers, names=["Kim Strasse"]) for identifiers in people]
    anybody = united(each)
    text = " ".join(texts)
    for looks in (Traces.are_in_prose, Traces.are_in_json_text, Traces.are_in_data):
        assert looks(anybody, text) == any(looks(one, text) for one in each)
    for address in anybody.words.emails & {canonical_email(found.address) for found in find_emails(text)}:
        sieve = AddressSieve.of([address])
        assert sieve.lets_through(text, any_case(text))
        assert sieve.signs is None or any(sign in any_case(nfkc(text)) for sign in sieve.signs)


def test_words_are_found_inside_of_others_where_they_overlap_and_beside_broken_letters():
    sieve = WordSieve(["ada", "adam", "dam", "", "möwe"])
    assert sieve.words_in("madam möwe") == {"ada", "adam", "dam", "möwe"}
    assert sieve.words_in("ad\ud800am ada") == {"ada"}
    assert sieve.words_in("") == frozenset()


def test_letters_that_a_pattern_takes_for_the_same_are_the_same_in_any_case() -> None:
    letters = "".join(map(chr, (*range(0x250), *range(0x370, 0x400), *range(0x1E80, 0x1F00), 0x212A, 0x212B, 0x2126)))
    for letter in letters:
        for same in re.findall(re.escape(letter), letters, re.IGNORECASE):
            assert any_case(same) == any_case(letter)
