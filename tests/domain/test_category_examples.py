"""The example file of the scoring prompt and its refusals (spec 10.6, I-10)."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from socialanalyzer_dagster.domain.category_examples import (
    ExamplesError,
    parse_examples,
    shipped_examples,
    shipped_examples_digest,
)
from socialanalyzer_dagster.domain.policy import Policy, PolicyError, parse_policy
from socialanalyzer_dagster.domain.types import sha256_of


def document(policy: Policy) -> dict[str, Any]:
    return shipped_examples(policy.categories.labels).model_dump(mode="json")


def test_every_category_has_three_good_and_two_or_three_bad_fits(policy: Policy) -> None:
    examples = shipped_examples(policy.categories.labels)
    assert set(examples.examples) == set(policy.categories.labels) - {"unknown"}
    assert len(examples.examples) == 10
    for fits in examples.examples.values():
        assert len(fits.good_fits) == 3
        assert 2 <= len(fits.bad_fits) <= 3


def lose_a_category(found: dict[str, Any]) -> None:
    del found["examples"]["learning"]


def add_a_category(found: dict[str, Any]) -> None:
    found["examples"]["cooking"] = found["examples"]["learning"]


def describe_unknown(found: dict[str, Any]) -> None:
    found["examples"]["unknown"] = found["examples"].pop("learning")


def repeat_a_handle(found: dict[str, Any]) -> None:
    first = found["examples"]["learning"]["good_fits"][0]["handle"]
    found["examples"]["lifestyle"]["bad_fits"][0]["handle"] = f"@{first.upper()}"


def use_a_url(found: dict[str, Any]) -> None:
    found["examples"]["learning"]["good_fits"][0]["handle"] = "https://instagram.com/somebody"


def lose_a_good_fit(found: dict[str, Any]) -> None:
    found["examples"]["learning"]["good_fits"].pop()


def lose_bad_fits(found: dict[str, Any]) -> None:
    found["examples"]["learning"]["bad_fits"] = found["examples"]["learning"]["bad_fits"][:1]


def write_followers_as_text(found: dict[str, Any]) -> None:
    found["examples"]["learning"]["good_fits"][0]["follower_count"] = "many"


def add_a_key(found: dict[str, Any]) -> None:
    found["examples"]["learning"]["good_fits"][0]["url"] = "x"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lose_a_category, "missing categories: learning"),
        (add_a_category, "cooking"),
        (describe_unknown, "unknown"),
        (repeat_a_handle, "occurs twice"),
        (use_a_url, "must be a handle, not a URL"),
        (lose_a_good_fit, "good_fits"),
        (lose_bad_fits, "bad_fits"),
        (write_followers_as_text, "follower_count"),
        (add_a_key, "url"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(
    policy: Policy, spoil: Callable[[dict[str, Any]], None], words: str
) -> None:
    found = document(policy)
    spoil(found)
    with pytest.raises(ExamplesError, match=words):
        parse_examples(yaml.safe_dump(found), policy.categories.labels)


@pytest.mark.parametrize("text", ["", "{", "- a\n- b", "examples: 3"])
def test_text_that_is_no_example_file_is_refused(policy: Policy, text: str) -> None:
    with pytest.raises(ExamplesError):
        parse_examples(text, policy.categories.labels)


def test_the_examples_are_hashed_with_the_policy(policy: Policy) -> None:
    assert policy.digest == sha256_of({"policy": policy.document(), "category_examples": shipped_examples_digest()})
    assert policy.digest != sha256_of(policy.document())


def test_a_policy_whose_categories_have_no_examples_is_refused(policy: Policy) -> None:
    found = policy.document()
    found["categories"]["labels"]["cooking"] = "Cooking"
    with pytest.raises(PolicyError, match="missing categories: cooking"):
        parse_policy(found)
