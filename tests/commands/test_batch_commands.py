"""`batch create|list|show|confirm|set-cap|stop`: what is refused, what is told, what is stored; nothing is run here."""

import json

import pytest

CREATED = {"key", "estimate_micros", "worst_case_micros", "warnings"}
SHOWN = {
    "key", "platform", "status", "stages", "tiers", "spend_micros", "held_micros", "unknown_micros", "reused_micros",
    "capped", "estimate_micros", "caps", "started_at", "finished_at", "summary",
}  # fmt: skip


def create(terminal, *options, filters=None, platform="instagram"):
    filters = {"max_results": 20, "hashtags": ["travel"]} if filters is None else filters
    return terminal.run("batch", "create", "--platform", platform, "--filters", json.dumps(filters), *options)


def created_key(terminal, *options, **search):
    answer = create(terminal, *options, "--json", **search)
    assert answer.code == 0, answer.err
    return answer.json["key"]


def test_create_prints_exactly_key_estimate_worst_case_and_warnings(terminal):
    answer = create(terminal, "--json")
    assert answer.code == 0
    assert set(answer.json) == CREATED
    assert 0 < answer.json["estimate_micros"] < answer.json["worst_case_micros"]
    assert [each for each in answer.json["warnings"] if "BDR" not in each] == []


def test_create_tells_people_estimate_worst_case_cap_and_how_to_go_on(terminal):
    answer = create(terminal)
    assert "estimate" in answer.out
    assert "worst case" in answer.out
    assert "$100.00" in answer.out
    assert "next: socialanalyzer batch run" in answer.out


def test_all_problems_are_told_at_once_and_nothing_is_made(terminal):
    filters = {"max_results": "ten", "follower_count": {"min": 9, "max": 3}, "creator_interests": ["nope"]}
    answer = create(terminal, "--max-spend", "much", "--max-leads", "1.5", "--bdr", "Nobody", filters=filters)
    assert answer.code == 2
    assert answer.out == ""
    for field in ("max_results", "follower_count.max", "creator_interests", "--max-spend", "--max-leads", "--bdr"):
        assert f"{field}: " in answer.err
    assert terminal.json("batch", "list")["batches"] == []


def test_filters_come_from_a_file_too(terminal, tmp_path):
    file = tmp_path / "filters.json"
    file.write_text('{"search_keywords": ["yoga"], "max_results": 5}', encoding="utf-8")
    answer = terminal.run("batch", "create", "--platform", "patreon", "--filters", f"@{file}", "--json")
    assert answer.code == 0
    key = answer.json["key"]
    assert terminal.json("batch", "show", key)["filters"]["search_keywords"] == ["yoga"]


def test_filters_that_cannot_be_read_are_bad_input(terminal):
    refused = {"{": "filters: is not JSON", "[1]": "filters: must be a JSON object", "@nowhere": "cannot be read"}
    for filters, sentence in refused.items():
        answer = terminal.run("batch", "create", "--platform", "instagram", "--filters", filters)
        assert answer.code == 2
        assert sentence in answer.err


def test_the_search_is_named_in_exactly_one_way(terminal):
    wrong = ([], ["--platform", "instagram"], ["--filters", "{}"], ["--preset", "a", "--filters", "{}"])
    for options in (*wrong, ["--preset", "none"]):
        answer = terminal.run("batch", "create", *options)
        assert answer.code == 2
        assert answer.err


def test_an_unknown_platform_names_those_that_exist(terminal):
    answer = create(terminal, platform="orkut")
    assert answer.code == 2
    assert "there is no platform 'orkut'" in answer.err
    assert "patreon" in answer.err


def test_the_same_idempotency_key_is_the_same_batch_and_another_request_is_refused(terminal):
    key = created_key(terminal, "--idempotency-key", "monday")
    assert created_key(terminal, "--idempotency-key", "monday") == key
    answer = create(terminal, "--idempotency-key", "monday", filters={"max_results": 21})
    assert answer.code == 2
    assert key in answer.err


def test_a_search_that_is_running_is_refused_unless_forced_with_a_reason(terminal):
    key = created_key(terminal)
    refused = create(terminal)
    assert (refused.code, key in refused.err) == (2, True)
    assert created_key(terminal, "--force", "the list changed") == f"{key}.2"


def test_an_estimate_over_the_cap_needs_stop_at_cap(terminal):
    refused = create(terminal, "--max-spend", "0.5")
    assert refused.code == 2
    assert "exceeds the batch cap of $0.50" in refused.err
    assert all(option in refused.err for option in ("--max-spend", "--max-leads", "--stop-at-cap"))
    key = created_key(terminal, "--max-spend", "0.5", "--stop-at-cap")
    assert terminal.json("batch", "show", key)["caps"]["batch"] == 500_000


def test_a_high_estimate_waits_for_its_confirmation(terminal):
    filters = {"max_results": 100, "hashtags": ["hiking"]}
    answer = create(terminal, filters=filters)
    assert "--micros 16525000" in answer.out
    key = terminal.json("batch", "list")["batches"][0]["key"]
    wrong = terminal.run("batch", "confirm", key, "--micros", "1")
    assert (wrong.code, "entering 16525000 micro-USD" in wrong.err) == (2, True)
    assert terminal.json("batch", "confirm", key, "--micros", "16525000")["status"] == "queued"


def test_yes_confirms_at_once(terminal):
    key = created_key(terminal, "--yes", filters={"max_results": 100})
    assert terminal.json("batch", "show", key)["status"] == "queued"


def test_show_has_everything_that_was_promised(terminal):
    key = created_key(terminal)
    view = terminal.json("batch", "show", key)
    assert set(view) >= SHOWN
    assert list(view["stages"]) == ["discovered", "screened", "enriched", "analyzed", "scored", "synced"]
    assert "Instagram batch" in terminal.run("batch", "show", key).out


def test_list_pages_from_newest_to_oldest(terminal):
    keys = [created_key(terminal, filters={"max_results": 20, "hashtags": [f"tag{n}"]}) for n in range(3)]
    first = terminal.json("batch", "list", "--limit", "2")
    second = terminal.json("batch", "list", "--limit", "2", "--after", first["next"])
    assert [row["key"] for row in (*first["batches"], *second["batches"])] == keys[::-1]
    assert second["next"] is None
    assert terminal.json("batch", "list", "--platform", "patreon")["batches"] == []


def test_stop_ends_a_batch_nobody_works_on_and_retry_queues_it_again(terminal):
    key = created_key(terminal)
    stopped = terminal.json("batch", "stop", key, "--by", "Kai", "--reason", "wrong season")
    assert stopped["status"] == "stopped"
    assert "Kai: wrong season" in stopped["cause"]
    assert terminal.run("batch", "stop", key).code == 2
    assert terminal.json("batch", "retry", key)["status"] == "queued"


def test_a_cap_is_a_positive_amount_up_to_the_absolute_maximum(terminal):
    key = created_key(terminal)
    assert terminal.json("batch", "set-cap", key, "--max-spend", "5")["cap_micros"] == 5_000_000
    for refused in ("0", "201", "much", "nan", "-1"):
        assert terminal.run("batch", "set-cap", key, f"--max-spend={refused}").code == 2


def test_a_batch_that_does_not_exist_is_bad_input(terminal):
    for command in ("show", "stop", "plan", "retry", "release"):
        answer = terminal.run("batch", command, "2026-01-01.instagram.nothing")
        assert answer.code == 2
        assert "there is no batch" in answer.err


def test_a_plan_that_was_never_made_cannot_be_approved(terminal):
    key = created_key(terminal)
    assert terminal.json("batch", "plan", key)["plan"] is None
    answer = terminal.run("batch", "approve", key, "--by", "Kai")
    assert answer.code == 2
    assert "has no plan yet" in answer.err


LIST = """Creator,Page,Patrons,About
Ada,https://www.patreon.com/ada,"36,866",Trips
No Page,,12,none
Bob,https://www.patreon.com/bob,1.2K,"two
lines"
"""


def test_a_list_shows_its_columns_and_every_row_nobody_can_use(terminal, tmp_path):
    file = tmp_path / "creators.csv"
    file.write_text(LIST, encoding="utf-8")
    answer = terminal.run("batch", "create", "--platform", "patreon", "--list", str(file))
    assert answer.code == 0
    assert "Patrons" in answer.out
    assert "audience_size" in answer.out
    assert "line 3 of the list cannot be used" in answer.err
    again = terminal.run("batch", "create", "--platform", "patreon", "--list", str(file), "--force", "again", "--json")
    assert any("line 3" in warning for warning in again.json["warnings"])


def test_a_long_list_shows_on_stderr_how_far_it_is(terminal, tmp_path):
    rows = "".join(f"Ada,https://www.patreon.com/ada{number}\n" for number in range(150))
    (tmp_path / "list.csv").write_text(f"name,url\n{rows}", encoding="utf-8")
    options = ("--platform", "patreon", "--list", str(tmp_path / "list.csv"), "--stop-at-cap", "--yes", "--json")
    answer = terminal.run("batch", "create", *options)
    assert (answer.code, answer.err.startswith("lines of the list read 151")) == (0, True)
    assert answer.json["key"]


def test_a_column_can_be_named(terminal, tmp_path):
    file = tmp_path / "odd.csv"
    file.write_text("what,where\nAda,https://www.patreon.com/ada\n", encoding="utf-8")
    wanted = ["batch", "create", "--platform", "patreon", "--list", str(file)]
    assert terminal.run(*wanted).code == 2
    assert terminal.run(*wanted, "--column", "url=where").code == 0
    assert terminal.run(*wanted, "--column", "url").code == 2


@pytest.mark.parametrize("name", ["missing.csv", "empty.csv"])
def test_a_list_that_cannot_be_used_is_bad_input(terminal, tmp_path, name):
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    answer = terminal.run("batch", "create", "--platform", "patreon", "--list", str(tmp_path / name))
    assert answer.code == 2
    assert answer.err
