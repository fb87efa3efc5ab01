"""A policy document that the code could not use is refused, with all that is wrong and what would be right (spec 4)."""

from typing import Any

import pytest

from socialanalyzer_dagster.domain.policy import PolicyError, parse_policy, shipped_policy, stored_policy
from socialanalyzer_dagster.domain.policy_search import PAGE_STEPS, SEARCH_STEPS, STEP_LETTERS
from socialanalyzer_dagster.platforms.enrichment import STEPS

LIMIT = {"concurrent": 1}
PRICE = {"usd": "1", "unit": "call"}
BREAKER = {"failures_in_a_row": 1, "reset_seconds": "1"}
WEIGHTS = shipped_policy().document()["scoring"]["weights"]
ABSENT = [
    "discovery.fixed", "enrichment.steps", "budgets.batch_default_usd", "estimate.stage_usd", "crm.constants",
]  # fmt: skip
UNREAD: list[tuple[str, Any, str]] = [
    ("enrichment.steps.facebook", ["A", "Z"], "enrichment.steps.facebook has unknown names: Z; known are: A, B, C"),
    ("enrichment.page_steps.A", {"seconds": 1, "concurrency": 1, "text_chars": 1, "links": 1}, "page_steps has .* A;"),
    ("budgets.provider_month_usd.open_ai", 5, "provider_month_usd has unknown names: open_ai; known are: apify, "),
    ("breakers.services.hubspotted", BREAKER, "breakers.services has unknown names: hubspotted; known are: apify"),
    ("limits.buckets.apify_stop", LIMIT, "limits.buckets has unknown names: apify_stop; known are: apify, apify_start"),
    ("limits.leads_in_work.synced", 1, "limits.leads_in_work has unknown names: synced; known are: analyzed, enriched"),
    ("prices.apify|cheerios", PRICE, r"prices has unknown names: apify\.cheerios; known are: apify\.cheerio"),
    ("scoring.weights_by_platform.instagran", WEIGHTS, "weights_by_platform has unknown names: instagran; known are:"),
    ("estimate.stage_usd.facebook.synced", "1", "estimate.stage_usd.facebook has unknown names: synced; known are:"),
]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The shipped document with one value changed, or without it where the value is None; `|` is a dot of a key."""
    document = shipped_policy().document()
    *parents, last = [key.replace("|", ".") for key in path.split(".")]
    section = document
    for key in parents:
        section = section[key]
    if value is None:
        del section[last]
    else:
        section[last] = value
    return document


@pytest.mark.parametrize("path", [*(f"{key}.facebook" for key in ABSENT), "limits.leads_in_work.analyzed"])
def test_what_a_platform_or_a_stage_needs_is_named_when_it_is_missing(path: str):
    section, _, name = path.rpartition(".")
    with pytest.raises(PolicyError, match=f"{section} lacks {name}"):
        parse_policy(changed(path, None))


@pytest.mark.parametrize(("path", "value", "words"), UNREAD, ids=[path for path, _, _ in UNREAD])
def test_a_name_that_nothing_would_read_is_refused_with_the_known_ones(path: str, value: Any, words: str):
    with pytest.raises(PolicyError, match=words):
        parse_policy(changed(path, value))


@pytest.mark.parametrize(("path", "value", "_words"), UNREAD, ids=[path for path, _, _ in UNREAD])
def test_a_document_that_was_stored_with_such_a_name_stays_readable(path: str, value: Any, _words: str):
    assert stored_policy(changed(path, value)).policy_version == shipped_policy().policy_version


def test_all_problems_are_told_at_once():
    document = changed("crm.constants.facebook", None)
    document["budgets"]["provider_month_usd"] = {"open_ai": 5}
    document["prices"].pop("apollo.people_match")
    with pytest.raises(PolicyError) as refused:
        parse_policy(document)
    lines = str(refused.value).splitlines()[1:]
    assert [line.partition(" has ")[0].partition(" lacks ")[0].rpartition(" ")[2] for line in lines] == [
        "prices", "crm.constants", "budgets.provider_month_usd",
    ]  # fmt: skip


def test_the_letters_of_steps_are_those_of_the_steps_that_exist():
    assert set(STEPS) == set(STEP_LETTERS)
    assert {*PAGE_STEPS, *SEARCH_STEPS} < set(STEP_LETTERS)


def test_a_lost_paid_call_cannot_be_repeated_more_than_once_without_a_person():
    document = changed("retries.reissue_lost", 2)
    with pytest.raises(PolicyError, match=r"retries\.reissue_lost must be 0 or 1"):
        parse_policy(document)
    assert stored_policy(document).retries.reissue_lost == 2, "what was stored stays readable"


def test_a_changed_copy_has_a_digest_of_its_own(policy):
    before = policy.digest
    changed = policy.model_copy(update={"crm": policy.crm.model_copy(update={"existing_contact": "update"})})
    assert changed.digest != before == policy.digest
    assert policy.model_copy().digest == before
