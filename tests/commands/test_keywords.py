"""`keywords suggest` on the sandbox: ideas, what they cost, and why there are none."""

import pytest
import yaml

from socialanalyzer_dagster.sandbox.serve import sandbox_bill
from socialanalyzer_dagster.settings import Settings

SUGGEST = ("keywords", "suggest", "--platform")


def charged() -> int:
    """What the sandbox's vendors billed, in micro-USD."""
    found = sandbox_bill(Settings.from_environment().sandbox_url)
    assert found is not None
    return int(found["total_micros"])


def test_ideas_are_bought_once_and_the_bill_is_in_the_ledger(shared):
    found = shared.json(*SUGGEST, "instagram", "--keywords", "hiking, #Yoga")
    assert (found["platform"], found["field"], found["keywords"]) == ("instagram", "hashtags", ["hiking", "Yoga"])
    assert 0 < len(found["ideas"]) <= 8
    assert not {"hiking", "yoga"} & {idea.casefold() for idea in found["ideas"]}
    assert found["cost_micros"] == charged() > 0
    again = shared.run(*SUGGEST, "instagram", "--keywords", "YOGA,Hiking")
    assert again.out.splitlines()[: len(found["ideas"])] == found["ideas"]
    assert "cost: $0.00, answered from the store" in again.out
    assert "add them to hashtags" in again.out
    assert "asking for ideas" in again.err
    shown = shared.json("ledger", "show")
    assert shown["total_micros"] == shown["by_vendor"]["openai"] == charged()


def test_a_preset_and_filters_name_the_keywords_too(shared):
    filters = '{"search_keywords": ["slow travel"], "max_results": 20}'
    shared.run("presets", "save", "Slow", "--platform", "patreon", "--filters", filters)
    asked = [shared.json(*SUGGEST, "patreon", *more) for more in (("--preset", "slow"), ("--filters", filters))]
    assert [each["keywords"] for each in asked] == [["slow travel"]] * 2
    assert [each["from_store"] for each in asked] == [False, True]


def test_a_full_cap_ends_with_1_and_says_which_to_raise(shared, tmp_path):
    document = yaml.safe_load(shared.run("policy", "show").out)
    budgets = dict(document["budgets"])
    file = tmp_path / "policy.yaml"
    document["budgets"]["day_usd"] = "0.000001"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    shared.run("policy", "activate", str(file))
    try:
        answer = shared.run(*SUGGEST, "facebook", "--keywords", "knitting", "--json")
    finally:
        file.write_text(yaml.safe_dump(document | {"budgets": budgets}), encoding="utf-8")
        shared.run("policy", "activate", str(file))
    assert (answer.code, answer.out) == (1, "")
    assert "budgets.day_usd" in answer.err
    assert "cost: $0.00" in answer.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("none", "--keywords", ",".join(map(str, range(51)))), ["platform:", "keywords: 1 to 50 keywords, not 51"]),
        (("none",), ["platform:", "keywords: say what to start from"]),
        (("facebook", "--keywords", " , "), ["keywords: 1 to 50 keywords, not 0"]),
        (("facebook", "--keywords", "a", "--preset", "b"), ["exactly one"]),
        (("facebook", "--filters", "{"), ["filters: is not JSON"]),
        (("instagram", "--filters", "{}"), ["hashtags or bio_phrase"]),
        (("facebook", "--preset", "b"), ["there is no preset"]),
    ],
)
def test_bad_input_ends_with_2_before_anything_is_asked(terminal, arguments, told):
    answer = terminal.run(*SUGGEST, *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert all(each in answer.err for each in told), answer.err
