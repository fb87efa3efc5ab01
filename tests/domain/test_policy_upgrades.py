"""Policy documents of earlier versions get the keys that came since, and keep everything they say (spec 4)."""

from typing import Any

import pytest

from socialanalyzer_dagster.domain.policy import PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.domain.policy_upgrades import STEPS, Step, upgraded

SHIPPED = shipped_policy()
HISTORY = (Step("1.1.0", (("a", "new"),)), Step("1.2.0", (("prices", "x.y"), ("b",))))
NEWEST: dict[str, Any] = {"policy_version": "1.2.0", "a": {"old": 1, "new": 2}, "prices": {"x.y": 3}, "b": {"c": 4}}


def first_version() -> dict[str, Any]:
    """The shipped policy as it was before every step."""
    document = SHIPPED.document() | {"policy_version": "1.0.0"}
    for *parents, last in (path for step in STEPS for path in step.added):
        section = document
        for key in parents:
            section = section[key]
        del section[last]
    return document


def test_a_policy_of_the_first_version_becomes_the_shipped_one():
    assert parse_policy(first_version()) == SHIPPED


def test_what_a_document_says_itself_stays():
    document = first_version()
    document["budgets"]["day_usd"] = "77"
    document["analysis"]["mode"] = "batch"
    policy = parse_policy(document)
    assert (str(policy.budgets.day_usd), policy.analysis.mode) == ("77", "batch")


def test_only_the_steps_after_the_documents_own_version_are_taken():
    document = {"policy_version": "1.1.0", "a": {"old": 0}}
    later = {"prices": {"x.y": 3}, "b": {"c": 4}}
    assert upgraded(document, NEWEST, HISTORY) == document | later | {"policy_version": "1.2.0"}
    assert document == {"policy_version": "1.1.0", "a": {"old": 0}}, "the stored document is not touched"


@pytest.mark.parametrize("version", ["1.2.0", "9.0.0", None, "latest"])
def test_a_document_of_the_newest_or_no_readable_version_is_left_to_validation(version: str | None):
    document = {"policy_version": version, "a": {}}
    assert upgraded(document, NEWEST, HISTORY) is document


def test_a_section_of_the_wrong_type_is_refused_not_repaired():
    document = first_version() | {"analysis": "all of it"}
    with pytest.raises(PolicyError, match="analysis"):
        parse_policy(document)


def test_the_shipped_policy_is_of_the_newest_version():
    assert STEPS[-1].version == SHIPPED.policy_version


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_what_no_version_reads_any_more_is_taken_out_of_a_stored_document(version: str):
    document = first_version() if version == "1.0.0" else SHIPPED.document() | {"policy_version": version}
    document["search"]["defaults"]["instagram"]["max_budget_usd"] = 100
    assert parse_policy(document) == SHIPPED
    assert document["search"]["defaults"]["instagram"]["max_budget_usd"] == 100, "the stored document is not touched"
