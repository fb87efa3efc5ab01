"""What a person leaves in text is found and taken out, and nobody else's words are."""

import json

import pytest

from socialanalyzer_dagster.domain.leads import Identifier, IdentifierKind
from socialanalyzer_dagster.domain.suppression import identifier_of
from socialanalyzer_dagster.domain.traces import ERASED, traces_of

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
    ["ada", "Ada likes it", "ada.trails", "@ada.trailer", "/77", "nada.trail", "myadatrail.com", "", "ada@trail.com"],
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
    ],
)
def test_an_identifier_is_read_as_what_it_is(text, kind):
    found = identifier_of(text)
    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize("text", ["", "ada", "@ada", "call me"])
def test_what_could_be_anybody_is_no_identifier(text):
    assert identifier_of(text) is None
