"""Roster, suppression, policy, prices, presets, platforms, lists and database: real commands in a home of their own."""

import json
import sqlite3
from contextlib import closing, nullcontext

import pytest
import yaml

from socialanalyzer_dagster.commands import system
from socialanalyzer_dagster.storage.columns import VERSION_TABLE

ROSTER = "- {name: Kai Example, owner_id: 70000001}\n- {name: Noa Example, owner_id: '70000002', active: false}\n"
TRAVEL = '{"hashtags": ["travel"], "max_results": 30}'


def test_the_roster_is_loaded_shown_and_changed_by_name(terminal, tmp_path):
    file = tmp_path / "roster.yaml"
    file.write_text(ROSTER, encoding="utf-8")
    assert terminal.json("bdr", "list") == []
    assert terminal.json("bdr", "load", str(file)) == {"people": 2, "active": 1}
    assert terminal.json("bdr", "activate", "Noa Example")["active"] is True
    terminal.run("bdr", "deactivate", "Kai Example")
    people = terminal.json("bdr", "list")
    assert [(each["name"], each["active"], each["leads_total"]) for each in people] == [
        ("Kai Example", False, 0),
        ("Noa Example", True, 0),
    ]
    unknown = terminal.run("bdr", "activate", "Nobody")
    assert (unknown.code, "Kai Example" in unknown.err) == (2, True)


@pytest.mark.parametrize(
    "text", ["", "not a list", "- {name: A}", "- {name: A, owner_id: 1}\n- {name: A, owner_id: 2}", "[}"]
)
def test_a_roster_that_cannot_be_used_changes_nothing(terminal, tmp_path, text):
    file = tmp_path / "roster.yaml"
    file.write_text(text, encoding="utf-8")
    answer = terminal.run("bdr", "load", str(file))
    assert answer.code == 2
    assert "roster.yaml" in answer.err


def test_a_suppressed_person_cannot_be_read_back(terminal):
    first = terminal.json("suppress", "add", "ada@site.example", "--reason", "asked")
    assert first == {"kind": "email", "added": True}
    assert terminal.json("suppress", "add", "ADA@site.example", "--reason", "asked again")["added"] is False
    why = ("--reason", "asked")
    assert terminal.json("suppress", "add", "instagram:ada", *why) == {"kind": "handle", "added": True}
    assert terminal.json("suppress", "add", "Instagram:@Ada", "--kind", "handle", *why)["added"] is False
    assert terminal.json("suppress", "add", "https://www.instagram.com/ada/", *why)["kind"] == "profile_url"
    assert terminal.json("suppress", "lift", "instagram:ada", "--by", "Kai", *why) == {"kind": "handle", "lifted": True}
    listed = terminal.run("suppress", "list", "--json")
    assert [each["kind"] for each in listed.json] != []
    assert "ada" not in listed.out.lower().replace("added", "")
    wrong = terminal.run("suppress", "add", "nonsense", "--reason", "x")
    assert (wrong.code, "name@site.com" in wrong.err) == (2, True)


def test_a_policy_is_shown_validated_and_activated(terminal, tmp_path):
    document = yaml.safe_load(terminal.run("policy", "show").out)
    document["budgets"]["day_usd"] = "150.00"
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    checked = terminal.json("policy", "validate", str(file))
    assert list(checked["diff"]) == ["budgets.day_usd"]
    assert terminal.json("policy", "show")["policy_hash"] != checked["policy_hash"]
    preview = terminal.json("policy", "preview", str(file), "--days", "7")
    assert (preview["policy_hash"], preview["scores"], preview["cost_micros"]) == (checked["policy_hash"], 0, 0)
    assert terminal.run("policy", "preview", str(file)).code == 0
    told = terminal.run("policy", "activate", str(file), "--by", "Kai", "--note", "less a day")
    assert "0 of 0 leads scored in the last 30 days would change tier" in told.err
    active = terminal.json("policy", "show")
    assert active["policy_hash"] == checked["policy_hash"]
    assert (active["versions"][0]["author"], active["versions"][0]["note"]) == ("Kai", "less a day")


def test_a_policy_version_is_listed_compared_and_gone_back_to(terminal, tmp_path):
    before = terminal.json("policy", "show")
    document = before["document"]
    document["budgets"]["day_usd"] = "150.00"
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    new = str(terminal.json("policy", "activate", str(file), "--by", "Kai", "--note", "less a day")["number"])
    old, change = str(before["number"]), {"budgets.day_usd": {"old": "200", "new": "150.00"}}
    assert terminal.json("policy", "diff", new) == {"from": None, "to": int(new), "diff": change}
    assert terminal.json("policy", "diff", old, new)["diff"] == change
    assert "budgets.day_usd" in terminal.run("policy", "diff", old, new).out
    assert terminal.json("policy", "preview", "--version", old)["policy_hash"] == before["policy_hash"]
    back = terminal.json("policy", "activate", "--version", old, "--by", "Noa", "--note", "too little")
    assert (back["number"], list(back["diff"])) == (int(old), ["budgets.day_usd"])
    listed = terminal.json("policy", "list")
    assert [(each["number"], each["active"]) for each in listed[:2]] == [(int(new), False), (int(old), True)]
    assert (listed[0]["author"], listed[0]["note"], listed[0]["changed"]) == ("Kai", "less a day", 1)
    assert (listed[1]["activated"]["by"], listed[1]["activated"]["note"]) == ("Noa", "too little")
    assert "too little" in terminal.run("policy", "list").out
    hashed = terminal.json("policy", "show", listed[0]["hash"][:8])
    assert (hashed["number"], hashed["document"]["budgets"]["day_usd"]) == (int(new), "150.00")
    unknown = terminal.run("policy", "show", "77")
    assert (unknown.code, "policy list" in unknown.err) == (2, True)
    assert terminal.run("policy", "activate", str(file), "--version", old).code == 2


def test_a_refused_policy_lists_every_problem(terminal, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("policy_version: x\nunknown_key: 1\n", encoding="utf-8")
    answer = terminal.run("policy", "validate", str(file))
    assert answer.code == 2
    assert "unknown_key" in answer.err
    assert "policy_version" in answer.err
    assert terminal.run("policy", "activate", str(tmp_path / "none.yaml")).code == 2


def test_a_price_is_confirmed_by_a_person(terminal):
    key = "insightiq.search_export"
    terminal.run("prices", "confirm", key, "--usd", "0.025", "--by", "Kai")
    (price,) = (each for each in terminal.json("prices", "list") if each["key"] == key)
    assert (float(price["usd"]), price["confirmed_by"]) == (0.025, "Kai")
    assert price["confirmed_on"]
    assert price["billed"] is None, "no vendor has told what it bills"
    unknown = terminal.run("prices", "confirm", "no.such", "--usd", "1", "--by", "Kai")
    assert (unknown.code, key in unknown.err) == (2, True)
    assert terminal.run("prices", "confirm", key, "--usd", "-1", "--by", "Kai").code == 2


def test_a_preset_is_saved_shown_renamed_used_and_deleted(terminal):
    save = ["presets", "save", "Travel Micro", "--platform", "instagram", "--filters", TRAVEL]
    assert terminal.json(*save)["slug"] == "travel-micro"
    assert terminal.json(*save)["version"] == 2
    shown = terminal.json("presets", "show", "travel micro", "--platform", "instagram")
    assert (shown["filters"]["hashtags"], shown["problems"]) == (["travel"], [])
    made = terminal.json("batch", "create", "--preset", "travel-micro")
    assert made["key"].endswith(".instagram.travel-micro")
    assert terminal.json(*save, "--rename", "Travel")["slug"] == "travel"
    assert [each["name"] for each in terminal.json("presets", "list")] == ["Travel"]
    terminal.run("presets", "delete", "Travel", "--platform", "instagram")
    assert terminal.json("presets", "list") == []
    assert terminal.run("presets", "show", "Travel", "--platform", "instagram").code == 2


def test_a_preset_is_given_a_schedule_of_its_own_shown_and_left_to_the_plan_again(terminal):
    assert terminal.run("presets", "save", "Travel Micro", "--platform", "instagram", "--filters", TRAVEL).code == 0
    of = ("presets", "schedule", "travel-micro", "--platform", "instagram")
    assert terminal.json(*of)["schedule"] is None
    given = terminal.json(*of, "--cron", "0 9 * * MON", "--by", "Kai")["schedule"]
    assert (given["cron"], given["set_by"], given["last"]) == ("0 9 * * mon", "Kai", None)
    assert terminal.json("presets", "list")[0]["schedule"] == given
    assert terminal.json("presets", "show", "Travel Micro", "--platform", "instagram")["schedule"] == given
    assert "it runs by itself (0 9 * * mon), next Mon " in terminal.run(*of).out
    assert "it runs by a schedule of its own" in terminal.run("day", "plan", "instagram", "--dry-run", "--json").out
    refused = terminal.run(*of, "--cron", "*/5 * * * *")
    assert (refused.code, "24 hours must lie between two runs" in refused.err) == (2, True)
    assert terminal.run(*of, "--cron", "0 9 * * mon", "--clear").code == 2
    assert "the daily plan may choose it" in terminal.run(*of, "--clear", "--by", "Kai").out
    assert terminal.run("presets", "schedule", "Nobody", "--platform", "instagram").code == 2


def test_a_second_preset_with_the_same_name_in_keys_or_bad_filters_is_refused(terminal):
    save = ["presets", "save", "--platform", "instagram", "--filters"]
    assert terminal.run(*save, TRAVEL, "Travel Micro").code == 0
    assert terminal.run(*save, TRAVEL, "travel-micro!").code == 2
    bad = terminal.run(*save, '{"max_results": "x", "hashtags": 5}', "Other")
    assert bad.code == 2
    assert "max_results" in bad.err
    assert "hashtags" in bad.err


def test_platforms_tell_stages_vendors_and_filters(terminal):
    described = terminal.json("platforms")
    assert len(described) == 3
    for each in described:
        assert list(each["stages"]) == ["discovered", "screened", "enriched", "analyzed", "scored", "synced"]
        assert each["filters"]["properties"]["max_results"]["description"]
    told = terminal.run("platforms").out
    assert "max_results" in told
    assert "seconds per lead" in told
    assert {each["key"]: each["scored_leads_a_day"]["friday"] for each in described} == {
        "instagram": 250, "patreon": 150, "facebook": 100,
    }  # fmt: skip


def test_a_day_is_shown_with_its_targets_and_planned_once(terminal):
    assert terminal.run("presets", "save", "--platform", "instagram", "--filters", TRAVEL, "Travel Micro").code == 0
    tried = terminal.json("day", "plan", "instagram", "--dry-run")
    shown = terminal.json("day", "show")
    assert [each["platform"] for each in shown] == ["facebook", "instagram", "patreon"]
    assert shown[1]["stands"] == tried["why"]
    made = terminal.json("day", "plan", "instagram")
    assert {**made, "batches": {}} == tried
    assert len(made["batches"]) == len(tried["run"]) == (1 if tried["target"] else 0)
    assert not terminal.json("day", "plan", "instagram")["batches"]
    assert "Travel Micro" in terminal.run("day", "plan", "instagram", "--dry-run").out
    assert "scored" in terminal.run("day", "show").out


@pytest.mark.parametrize("day", ["20-11-2026", "yesterday", "2026-13-01"])
def test_a_day_that_is_none_is_refused(terminal, day):
    refused = terminal.run("day", "show", "--day", day)
    assert refused.code == 2
    assert "is not a day such as 2026-11-20" in refused.err


def test_a_list_is_previewed_with_its_unusable_rows(terminal, tmp_path):
    file = tmp_path / "creators.csv"
    file.write_text("name,url\nAda,https://www.patreon.com/ada\nNobody,\n", encoding="utf-8")
    found = terminal.json("list", "preview", str(file), "--platform", "patreon")
    assert found["usable"] == 1
    assert [row["line"] for row in found["unusable"]] == [3]
    assert terminal.run("list", "preview", str(file), "--platform", "orkut").code == 2


def test_every_unusable_row_of_a_long_list_can_be_written_to_a_file(terminal, tmp_path):
    file, out = tmp_path / "creators.csv", tmp_path / "unusable.jsonl"
    file.write_text("name,url\nAda,https://www.patreon.com/ada\n" + "Nobody,\n" * 150, encoding="utf-8")
    place = ("list", "preview", str(file), "--platform", "patreon")
    asked = terminal.run(*place, "--unusable", str(out), "--json")
    assert asked.err.startswith("lines of the list read 152")
    found = asked.json
    assert (found["unusable_count"], len(found["unusable"])) == (150, 100)
    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["line"] for row in written] == list(range(3, 153))
    assert written[0]["reason"] == "the row has no handle and no profile address"
    assert "these are the first 100" in terminal.run(*place).out
    refused = terminal.run(*place, "--unusable", str(tmp_path / "none" / "out"))
    assert (refused.code, "cannot be written" in refused.err) == (2, True)


def test_the_database_tells_where_it_stands_and_can_be_brought_up_again(terminal):
    assert terminal.json("db", "status")["is_current"] is True
    assert terminal.json("db", "upgrade")["is_current"] is True
    assert (terminal.home / "dagster" / "dagster.yaml").is_file()


def at_revision(terminal, revision):
    with closing(sqlite3.connect(terminal.home / "socialanalyzer.db")) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = ?", (revision,))  # noqa: S608 - our own constant
        connection.commit()


def test_a_database_of_another_version_is_refused_with_what_to_do(terminal):
    at_revision(terminal, "9999")
    for command in (["batch", "list"], ["db", "upgrade"]):
        answer = terminal.run(*command)
        assert answer.code == 2
        assert "9999" in answer.err


def test_doctor_changes_nothing_of_what_it_examines(terminal, tmp_path, monkeypatch):
    document = yaml.safe_load(terminal.run("policy", "show").out)
    document["budgets"]["day_usd"] = "120.00"
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("POLICY_PATH", str(tmp_path / "policy.yaml"))
    monkeypatch.setattr(system, "answering_sandbox", lambda _settings: nullcontext())
    before = terminal.json("policy", "show")
    terminal.run("doctor")
    assert terminal.json("policy", "show") == before
    at_revision(terminal, "0001")
    found = terminal.run("doctor", "--json")
    assert (found.code, terminal.run("db", "status", "--json").json["current"]) == (1, "0001")
    (database,) = (each for each in found.json["findings"] if each["subject"] == "database")
    assert "run `socialanalyzer db upgrade`" in database["detail"]


def test_files_named_by_the_environment_are_taken_at_upgrade(terminal, tmp_path, monkeypatch):
    document = yaml.safe_load(terminal.run("policy", "show").out)
    document["budgets"]["day_usd"] = "120.00"
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (tmp_path / "roster.yaml").write_text(ROSTER, encoding="utf-8")
    monkeypatch.setenv("POLICY_PATH", str(tmp_path / "policy.yaml"))
    monkeypatch.setenv("BDR_ROSTER_PATH", str(tmp_path / "roster.yaml"))
    assert terminal.run("db", "upgrade").code == 0
    assert terminal.json("policy", "show")["document"]["budgets"]["day_usd"] == "120.00"
    assert len(terminal.json("bdr", "list")) == 2


def test_an_upgrade_takes_a_policy_file_once_and_leaves_what_people_changed_since(terminal, tmp_path, monkeypatch):
    file, document = tmp_path / "policy.yaml", yaml.safe_load(terminal.run("policy", "show").out)

    def upgraded(day_usd: str) -> str:
        document["budgets"]["day_usd"] = day_usd
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        assert terminal.run("db", "upgrade").code == 0
        return terminal.json("policy", "show")["document"]["budgets"]["day_usd"]

    monkeypatch.setenv("POLICY_PATH", str(file))
    assert upgraded("120.00") == "120.00"
    document["budgets"]["day_usd"] = "90.00"
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert terminal.run("policy", "activate", str(tmp_path / "own.yaml"), "--by", "Mara").code == 0
    assert upgraded("120.00") == "90.00", "the file says what it said before"
    assert [upgraded("130.00"), upgraded("120.00")] == ["130.00", "120.00"]


def test_wrong_settings_are_told_all_at_once_and_no_secret_is_printed(terminal, monkeypatch):
    secret = "sk-very-secret-value"
    monkeypatch.setenv("SOCIALANALYZER_ENV", "live")
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    monkeypatch.setenv("SUPPRESSION_HMAC_KEY", "short-secret")
    for command in (["batch", "list"], ["doctor"], ["doctor", "--json"]):
        answer = terminal.run(*command)
        assert answer.code in (1, 2)
        told = answer.out + answer.err
        assert "DATABASE_URL" in told
        assert "BDR_ROSTER_PATH" in told
        assert secret not in told
        assert "short-secret" not in told


def test_the_demonstration_is_refused_in_live_mode(terminal, monkeypatch):
    live = {
        "SOCIALANALYZER_ENV": "live", "OPENAI_API_KEY": "k", "DATABASE_URL": f"sqlite:///{terminal.home}/live.db",
        "SUPPRESSION_HMAC_KEY": "x" * 40, "BDR_ROSTER_PATH": "roster.yaml", "APIFY_API_TOKEN": "t",
    }  # fmt: skip
    for name, value in live.items():
        monkeypatch.setenv(name, value)
    answer = terminal.run("demo")
    assert answer.code == 2
    assert "sandbox mode alone" in answer.err


def test_json_of_a_refusal_is_empty_on_stdout(terminal):
    answer = terminal.run("batch", "show", "nothing", "--json")
    assert (answer.code, answer.out) == (2, "")
    with pytest.raises(json.JSONDecodeError):
        _ = answer.json
