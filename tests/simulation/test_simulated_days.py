"""Three simulated days through the real definitions: targets met, nothing lost, no cap exceeded, each event noticed."""

import json
from pathlib import Path

import pytest

from socialanalyzer_dagster import cli

pytestmark = pytest.mark.xdist_group("simulation")  # begun with the other groups: one of them takes long


def test_three_days_meet_their_targets_and_lose_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://team@127.0.0.1:1/leads")  # the team's own, which nobody may touch
    monkeypatch.setenv("POLICY_PATH", "/nowhere/policy.yaml")
    code = cli.run(["simulate", "--days", "3", "--share", "0.01", "--platform", "patreon", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (report["working_days"], report["lost"], report["over_cap"], report["failed_runs"]) == (3, 0, 0, 0)
    assert report["days_met"] >= 2
    assert report["spend_micros"] == report["bill_micros"] > 0
    events = {each["name"]: each for each in report["events"]}
    assert {"vendor_down", "prices_double", "yield_halves"} <= set(events)
    assert events["vendor_down"]["noticed"]
    assert any("R-8" in each for each in events["vendor_down"]["done"])
    dearer = events["prices_double"]
    assert any("price_changed: apify.patreon costs more" in each for each in dearer["noticed"])
    assert any("price of apify.patreon confirmed at 0.02 USD" in each for each in dearer["done"])
    assert report["team"]["prices"] >= 1


def test_a_home_that_holds_something_is_refused_in_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert cli.run(["simulate", "--home", str(tmp_path)]) == 2
    assert "is not an empty folder: name a new one" in capsys.readouterr().err
