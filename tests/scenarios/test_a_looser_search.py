"""A search that brings almost nobody runs again by itself with looser filters, as a real batch of real runs (15.1)."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from socialanalyzer_dagster.assets.stage_work import ATTEMPT_TAG
from socialanalyzer_dagster.cli import run as command
from socialanalyzer_dagster.domain.policy import parse_policy
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.policies import Authorship, activate, active_policy
from socialanalyzer_dagster.pipeline.rule_watch import RuleCursor
from socialanalyzer_dagster.sensors.launch_batches import lead_batch_sensor
from socialanalyzer_dagster.sensors.rules import rules_sensor
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from tests.scenarios.house import House, failures, open_house

NARROW = {"search_keywords": ["travel", "hiking"], "max_results": 20, "min_patrons": 100_000}
UP_TO_SCREENED = [dg.AssetKey("discovered_leads"), dg.AssetKey("screened_leads")]


@pytest.fixture
def house(tmp_path, monkeypatch: pytest.MonkeyPatch, sqlite_template) -> Iterator[House]:
    with open_house(tmp_path / "home", monkeypatch, sqlite_template) as made:
        document = active_policy(made.office.database).document()
        document["rules"]["table"]["R-1"]["when"] = {"kind": "low_yield", "below": "0.5", "judged_from": 3}
        by = Authorship(author="test", note="small batches", at=made.office.clock.now())
        activate(made.office.database, parse_policy(document), by)
        yield made


def batches_of(house: House) -> dict[str, Any]:
    query = select(LeadBatchRow.partition_key, LeadBatchRow.parent_batch_id, LeadBatchRow.filters)
    with house.office.database.read() as connection:
        return {key: (parent, filters) for key, parent, filters in connection.execute(query)}


def said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert command([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_poor_search_has_a_child_that_finds_more(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    key = house.create("patreon", NARROW).key
    first = house.run("lead_batch_job", key, asset_selection=UP_TO_SCREENED)
    assert first.success, failures(first)
    (child,) = set(batches_of(house)) - {key}
    parent = find_batch(house.workplace, key)
    assert batches_of(house)[child] == (parent.batch_id, {**parent.filters, "min_patrons": 50_000})
    with dg.build_sensor_context(
        instance=house.instance, resources=dict(house.definitions.resources or {}), definitions=house.definitions
    ) as context:
        launched = lead_batch_sensor(context)
        quiet = rules_sensor(context)
    assert isinstance(launched, dg.SensorResult)
    assert [request.partition_key for request in launched.run_requests or ()] == [child]
    assert isinstance(quiet, dg.SensorResult)
    assert "No rule has anything to do after the stages that ended since" in str(quiet.skip_reason)
    RuleCursor.model_validate_json(quiet.cursor or "")

    second = house.run("lead_batch_job", child, tags={ATTEMPT_TAG: "1"}, asset_selection=UP_TO_SCREENED)
    assert second.success, failures(second)
    assert len(batches_of(house)) == 2, "once in a lineage"
    rejected = house.view(key)["stages"]["screened"]["reasons"]["patrons_below_min"]
    assert house.view(child)["stages"]["discovered"]["passed"] == rejected, "whom only the filters rejected"
    log = said(capsys, "rules", "log")
    assert [(each["rule"], each["action"], each["result"]) for each in log if each["rule"] == "R-1"] == [
        ("R-1", "loosen", "batch created"),
        ("R-1", "ask", None),
    ]
    (waiting,) = said(capsys, "rules", "list")["waiting"]
    assert "A person is asked, because it acted 1 time already." in waiting["reason"]
    simulated = said(capsys, "rules", "simulate", "--days", "1")
    assert simulated["cost_micros"] == 0
    assert [(each["action"], each["verdict"]) for each in simulated["deeds"] if each["rule"] == "R-1"] == [
        ("loosen", "act"),
        ("loosen", "ask"),
    ]
    assert len(said(capsys, "rules", "log")) == len(log), "a simulation writes nothing"
    (question,) = said(capsys, "rules", "questions")
    assert (question["batch"], question["proposal"]) == (child, "loosen")
    no = said(capsys, "rules", "answer", str(question["id"]), "reject", "--by", "Mara", "--reason", "enough")
    assert (no["reply"], no["result"], no["batch"]) == ("reject", "nothing", None)
    assert said(capsys, "rules", "questions") == []
    assert command(["rules", "answer", str(question["id"]), "approve", "--by", "Noa"]) == 2
    answered = said(capsys, "rules", "log", "--batch", child)[-1]
    assert (answered["by"], answered["rule"], answered["action"]) == ("Mara", "R-1", "reject")
