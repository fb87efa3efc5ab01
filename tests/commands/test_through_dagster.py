"""A batch by commands alone: created, run through Dagster, planned, approved, synced, exported, re-scored."""

import json
import signal
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO

import dagster as dg
import pytest
import yaml
from dagster._daemon.types import DaemonHeartbeat
from sqlalchemy import select, update

from socialanalyzer_dagster.assets import stage_work
from socialanalyzer_dagster.checks import batch_checks
from socialanalyzer_dagster.commands.instance import dagster_instance
from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_status import CANCELLED
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.sandbox.serve import sandbox_bill
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage.models_control import BudgetScopeRow
from tests.invariants.eavesdropping import SECRETS, Traces, contacts_in, secrets_in

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("commands-through-dagster")]
ADDRESS = "mara@private-host.com"
SEARCH = json.dumps({"search_keywords": ["travel", "hiking"], "max_results": 8})


@pytest.fixture(scope="module")
def key(shared_home):
    """One batch, run up to its plan by the first test that needs it."""
    from socialanalyzer_dagster import cli

    made = ["batch", "create", "--platform", "patreon", "--filters", SEARCH, "--idempotency-key", "one"]
    assert cli.run(made) == 0
    found = batch_keys()[0]
    assert cli.run(["batch", "run", found]) == 0
    return found


def batch_keys():
    from socialanalyzer_dagster.pipeline.batch_view import batch_rows
    from socialanalyzer_dagster.storage.batches import BatchPage

    with open_office() as office:
        return [row["key"] for row in batch_rows(office.workplace(), BatchPage())]


def bill():
    found = sandbox_bill(Settings.from_environment().sandbox_url)
    assert found is not None
    return found


def test_a_run_goes_up_to_the_plan_and_is_recorded_in_the_instance(shared, key):
    view = shared.json("batch", "show", key)
    assert view["status"] == "awaiting_approval"
    assert view["stages"]["scored"]["passed"] > 0
    with dagster_instance(Settings.from_environment()) as instance:
        (run,) = instance.get_runs()
        assert key in instance.get_dynamic_partitions("lead_batches")
    assert (run.job_name, run.tags["dagster/partition"], run.status.value) == ("lead_batch_job", key, "SUCCESS")


@pytest.fixture(scope="module")
def again(key):
    """The batch run once more, logged as the environment says: its run, and what it was before and asked meanwhile."""
    from socialanalyzer_dagster import cli

    before, asked = stored(key), sum(bill()["requests"].values())
    with pytest.MonkeyPatch.context() as environment, redirect_stdout(StringIO()) as printed:
        environment.setenv("LOG_FORMAT", "text")
        assert cli.run(["batch", "run", key, "--to", "scored", "--json"]) == 0
    return json.loads(printed.getvalue())["run_id"], before, sum(bill()["requests"].values()) - asked


def stored(key):
    from socialanalyzer_dagster.pipeline.batch_view import batch_view

    with open_office() as office:
        return batch_view(office.workplace(), key)


def test_a_run_logs_its_stages_where_the_environment_says_and_dagster_keeps_its_sentences(shared, key, again):
    run_id, _, _ = again
    with dagster_instance(Settings.from_environment()) as instance:
        told = [entry.user_message for entry in instance.all_logs(run_id)]
    assert any("screened" in sentence and "leads" in sentence for sentence in told), told
    assert shared.json("batch", "show", key)["log"].keys() == {"kept", "newest"}
    assert shared.run("batch", "log", key, "--level", "error").code == 0


def test_running_it_again_asks_no_vendor_and_changes_nothing(key, again):
    _, before, asked = again
    after = stored(key)
    assert after["stages"] == before["stages"]
    assert after["spend_micros"] == before["spend_micros"]
    assert asked == 0


def test_a_batch_that_another_run_holds_is_refused_before_a_run_is_made_of_it(shared, key):
    with open_office() as office:
        batch = find_batch(office.workplace(), BatchKey(key))
        lock = batch_lock(office.database, office.workplace().home, batch.batch_id)
        made = office.instance.get_runs_count()
    assert lock.acquire()
    try:
        answer = shared.run("batch", "run", key, "--to", "scored")
    finally:
        lock.release()
    assert (answer.code, answer.out) == (1, "")
    assert f"batch {key} is being worked on" in answer.err
    with dagster_instance(Settings.from_environment()) as instance:
        assert instance.get_runs_count() == made


def test_the_ledger_is_the_vendors_bill(shared, key):
    view = shared.json("ledger", "show", key)
    assert view["total_micros"] == bill()["total_micros"] == shared.json("batch", "show", key)["spend_micros"]
    assert set(view) == {"total_micros", "held_micros", "unknown_micros", "by_vendor", "by_stage", "calls"}
    assert "settled" in shared.run("ledger", "show", key).out


def test_a_lead_shows_where_each_contact_value_was_found(shared, key):
    (lead, *_) = shared.json("leads", "list", "--batch", key, "--stage", "scored", "--result", "passed")["leads"]
    view = shared.json("leads", "show", lead["lead_uid"])
    known = {"field", "value", "kind", "step", "provider", "source_url", "fetched_at", "chosen"}
    assert known == set(view["contacts"][0])
    assert view["evidence"]
    assert view["costs"]
    text = shared.run("leads", "show", f"{lead['platform']}:{lead['platform_id']}").out
    assert "auto_enroll" in text or "standard_review" in text


def test_the_export_is_the_same_each_time_and_can_go_to_a_file(shared, key, tmp_path):
    printed = shared.run("leads", "export", "--csv", "--batch", key).out
    file = tmp_path / "leads.csv"
    assert shared.run("leads", "export", "--csv", "--batch", key, "--out", str(file)).code == 0
    assert file.read_text(encoding="utf-8") == printed
    assert len(printed.splitlines()) >= 9
    assert shared.json("leads", "export", "--batch", key)["columns"][0] == "lead_uid"


def test_rescoring_costs_nothing_and_shows_who_moves(shared, key, tmp_path):
    document = yaml.safe_load(shared.run("policy", "show").out)
    for row in document["tiers"]["rows"]:
        row["at_least"] = "0.9999"
    file = tmp_path / "strict.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    before = bill()
    same = shared.json("rescore", "--batch", key)
    assert f"scores recomputed {same['scores']}" in shared.run("rescore", "--batch", key).err
    assert (same["moved"], same["changed"], same["cost_micros"]) == ([], 0, 0)
    moved = shared.json("rescore", "--batch", key, "--policy", str(file))
    assert {each["to"] for each in moved["tier_flow"]} == {"below_min_score"}
    assert bill() == before


def test_history_is_rescored_as_a_backfill_and_both_results_are_shown(shared, key, tmp_path):
    document = shared.json("policy", "show")["document"]
    document["tiers"]["rows"][0]["at_least"] = "0.99"
    file = tmp_path / "picky.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    before, spent = shared.json("batch", "show", key), bill()
    assert shared.json("rescore", "--since", "2999-01-01")["batches"] == 0
    done = shared.json("rescore", "--since", "2026-01-01", "--policy", str(file), "--by", "Kai Example")
    assert (done["batches"], done["backfill_id"], done["cost_micros"]) == (1, None, 0)
    judged = before["stages"]["scored"]
    assert done["scores"] == judged["passed"] + judged["rejected"] == sum(each["leads"] for each in done["tier_flow"])
    version = str(done["policy"])
    assert shared.json("policy", "list")[0]["author"] == "Kai Example"
    with dagster_instance(Settings.from_environment()) as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("rescored_leads")) == {key}
    lead = shared.json("leads", "list", "--batch", key, "--stage", "scored")["leads"][0]
    view = shared.json("leads", "show", lead["lead_uid"])
    (other,) = (each for each in view["rescored"] if each["policy"] == done["policy"])
    assert (other["batch"], other["lead_score"]) == (key, view["score"]["lead_score"])
    assert "re-scored under policy version" in shared.run("leads", "show", lead["lead_uid"]).out
    after = shared.json("batch", "show", key)
    assert (after["tiers"], after["policy"]) == (before["tiers"], before["policy"])
    assert {each["policy"] for each in view["outcomes"]} == {view["score"]["policy"]} == {after["policy"]["number"]}
    assert done["policy"] in {each["policy"] for each in after["rescored"]}
    told = shared.run("batch", "show", key).out
    assert f"decided under policy version {after['policy']['number']} (" in told
    assert f"version {version}" in told
    assert bill() == spent


def test_a_daemon_that_runs_carries_the_backfill_out(shared, key):
    with dagster_instance(Settings.from_environment()) as instance:
        beat = DaemonHeartbeat(time.time(), "BACKFILL", "here", errors=[])
        instance.add_daemon_heartbeat(beat)
        done = shared.json("rescore", "--since", "2026-01-01", "--policy", "1")
        (wanted,) = instance.get_backfills()
        assert (wanted.backfill_id, wanted.status.value, wanted.asset_selection) == (
            done["backfill_id"], "REQUESTED", [dg.AssetKey("rescored_leads")],
        )  # fmt: skip
        assert wanted.run_config == {"ops": {"rescored_leads": {"config": {"policy": "1"}}}}
        assert wanted.asset_backfill_data.target_subset.num_partitions_and_non_partitioned_assets == done["batches"]
        instance.wipe_daemon_heartbeats()
    assert "scores" not in done, "nobody knows them yet"


def test_a_plan_is_shown_approved_by_name_and_written_once(shared, key):
    plan = shared.json("batch", "plan", key)
    assert plan["plan"]["state"] == "open"
    assert {row["action"] for row in plan["rows"]} <= {"create", "update", "unchanged", "held", "rejected"}
    assert "create" in shared.run("batch", "plan", key).out
    dry = shared.json("batch", "plan", key, "--dry-run")
    assert (dry["plan"]["hash"], dry["plan"]["state"]) == (None, "dry_run")
    assert _changes(dry) == _changes(plan)
    assert all(changes["evidence_link"]["new"].endswith(key) for _, changes in _changes(plan).values() if changes)
    assert shared.json("batch", "plan", key)["plan"] == plan["plan"], "a dry run leaves the plan alone"
    assert shared.run("batch", "run", key, "--from", "synced").code == 1
    other = shared.run("batch", "approve", key, "--by", "Kai Example", "--plan", "ffff")
    assert (other.code, "has changed since" in other.err) == (2, True)
    assert shared.json("batch", "approve", key, "--by", "Kai Example")["status"] == "queued"
    assert shared.run("batch", "run", key).code == 0
    view = shared.json("batch", "show", key)
    assert view["status"] == "completed"
    assert view["stages"]["synced"]["passed"] > 0
    assert shared.run("batch", "approve", key, "--by", "Kai Example").code == 2
    assert "rows created" in shared.run("batch", "show", key).out
    _read_back_and_taken_back(shared, key)


def _changes(view):
    """What each row writes, but for the representative: a dry run deals nothing."""
    dealt = {"bdr_", "hubspot_owner_id"}
    return {
        row["lead_uid"]: (row["action"], {name: each for name, each in row["changes"].items() if name not in dealt})
        for row in view["rows"]
    }


def _read_back_and_taken_back(shared, key):
    written = shared.json("batch", "show", key)["sync"]["rows"]["created"]
    read_back = shared.run("crm", "reconcile", "--json")
    assert (read_back.json["contacts"], f"contacts read back {written}" in read_back.err) == (written, True)
    shown = shared.json("batch", "undo", key, "--by", "Kai Example")
    assert (shown["written"], len(shown["rows"])) == (False, written)
    lead = shown["rows"][0]["lead_uid"]
    assert shared.json("leads", "show", lead)["crm"]["owner"] in {"Kai Example", "Noa Example", None}
    assert "--yes" in shared.run("batch", "undo", key, "--by", "Kai Example").out
    assert shared.json("batch", "undo", key, "--by", "Kai Example", "--yes")["written"] is True
    assert shared.json("batch", "undo", key, "--by", "Kai Example", "--yes")["rows"] == []
    who = ("--reason", "known from a fair", "--by", "Kai Example")
    assert shared.json("leads", "override", lead, "--tier", "auto_enroll", *who)["tier"] == "auto_enroll"
    assert "known from a fair" in shared.run("leads", "show", lead).out
    assert shared.run("leads", "override", lead, "--tier", "gold", *who).code == 2
    assert shared.json("leads", "override", lead, "--remove", *who)["tier"] is None


def test_a_capped_batch_says_so_and_a_raised_cap_finishes_the_rest(shared, key):
    search = json.dumps({"search_keywords": ["yoga"], "max_results": 6})
    options = ["--max-spend", "0.12", "--stop-at-cap"]
    made = shared.json("batch", "create", "--platform", "patreon", "--filters", search, *options)["key"]
    assert shared.run("batch", "run", made).code == 0
    view = shared.json("batch", "show", made)
    assert view["capped"] is True
    assert view["spend_micros"] + view["held_micros"] <= 120_000
    assert "cap" in view["summary"]
    assert shared.json("batch", "set-cap", made, "--max-spend", "5")["status"] == "queued"
    assert shared.run("batch", "run", made, "--to", "scored").code == 0
    left = shared.json("batch", "show", made)
    assert left["capped"] is False
    assert all("budget_stopped" not in counts["reasons"] for counts in left["stages"].values())


def test_a_canary_goes_ahead_and_the_others_follow_when_released(shared, key):
    search = json.dumps({"search_keywords": ["knitting"], "max_results": 6})
    made = shared.json("batch", "create", "--platform", "patreon", "--filters", search, "--canary", "2")["key"]
    answer = shared.run("batch", "run", made)
    assert answer.code == 0
    assert "measured per lead" in answer.out
    assert f"batch release {made}" in answer.out
    assert shared.run("batch", "approve", made, "--by", "Kai Example").code == 0
    synced = shared.run("batch", "run", made)
    assert synced.code == 0, synced.err
    assert "the canary is through" in shared.json("batch", "show", made)["cause"]
    assert synced.out.count("next:") == synced.out.count(f"next: socialanalyzer batch release {made}") == 1
    assert shared.json("batch", "show", made)["stages"]["screened"]["pending"] == 4
    assert shared.json("batch", "release", made)["status"] == "queued"
    assert shared.run("batch", "run", made, "--to", "screened").code == 0
    assert shared.json("batch", "show", made)["stages"]["screened"]["pending"] == 0


def test_a_full_shared_cap_is_told_before_a_run_begins_and_in_lists(shared, key):
    search = json.dumps({"search_keywords": ["chess"], "max_results": 2})
    made = shared.json("batch", "create", "--platform", "patreon", "--filters", search)["key"]
    day = BudgetScopeRow.scope == f"day:{datetime.now(UTC).date().isoformat()}"
    with open_office() as office, office.database.write() as connection:
        before = connection.execute(select(BudgetScopeRow.settled_micros).where(day)).scalar_one()
        connection.execute(update(BudgetScopeRow).where(day).values(settled_micros=200_000_000))
    sentence = "the spending cap of $200.00 per day is reached"
    assert f"not launched, because {sentence}" in shared.run("batch", "show", made).out
    assert sentence in shared.run("batch", "list", "--status", "queued").out
    answer = shared.run("batch", "run", made, "--to", "discovered")
    assert answer.err.startswith(f"warning: {sentence}")
    assert shared.json("batch", "show", made)["capped"] is True
    with open_office() as office, office.database.write() as connection:
        connection.execute(update(BudgetScopeRow).where(day).values(settled_micros=before))


def test_an_interrupt_between_two_stages_leaves_the_batch_paused_with_the_cause(shared, key, monkeypatch):
    search = json.dumps({"search_keywords": ["pottery"], "max_results": 2})
    made = shared.json("batch", "create", "--platform", "patreon", "--filters", search)["key"]
    with monkeypatch.context() as between:  # the checks of a stage run when it has ended
        between.setattr(batch_checks, "audited_batch", lambda *_, **__: signal.raise_signal(signal.SIGINT))
        answer = shared.run("batch", "run", made, "--to", "screened")
    assert (answer.code, "run it again to go on where it was" in answer.err) == (1, True)
    view = shared.json("batch", "show", made)
    assert (view["status"], view["cause"]) == ("paused", CANCELLED)
    assert view["stages"]["discovered"]["pending"] == 0
    assert shared.json("batch", "run", made, "--to", "screened")["stages"]["screened"]["pending"] == 0


def test_a_worker_that_is_told_to_end_puts_its_batch_back_and_another_takes_it(shared, key, monkeypatch):
    search = json.dumps({"search_keywords": ["kayak"], "max_results": 2})
    made = shared.json("batch", "create", "--platform", "patreon", "--filters", search)["key"]
    with monkeypatch.context() as amid:
        amid.setattr(batch_checks, "audited_batch", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
        answer = shared.run("batch", "work")
    assert answer.code == 0, answer.err
    assert f"batch {made}" in answer.err
    assert shared.json("batch", "show", made)["status"] == "queued"
    assert shared.json("batch", "show", made)["stages"]["discovered"]["pending"] == 0
    answer = shared.run("batch", "work", "--until-idle")
    assert answer.code == 0, answer.err
    assert answer.err.rstrip().endswith("No batch is queued.")
    assert shared.json("batch", "show", made)["status"] in {"awaiting_approval", "completed_empty"}


def test_doctor_finds_everything_in_order(shared, key):
    found = shared.json("doctor")
    assert found["healthy"] is True
    states = {each["subject"]: each["health"] for each in found["findings"]}
    assert states["crm properties"] == states["database"] == states["media store"] == states["roster"] == "ok"
    assert states["prices"] == "warning"


def test_a_sandbox_with_another_world_is_refused_and_both_are_named(shared, key, monkeypatch):
    monkeypatch.setenv("SOCIALANALYZER_SANDBOX_SEED", "8")
    answer = shared.run("batch", "run", key)
    assert answer.code == 2
    assert "seed 7" in answer.err
    assert "seed 8" in answer.err


def test_a_run_that_breaks_tells_type_and_place_and_nothing_of_the_errors_text(shared, monkeypatch):
    async def breaks(*_arguments):
        raise KeyError(f"no lead for {ADDRESS} {SECRETS['OPENAI_API_KEY']}")

    monkeypatch.setattr(stage_work, "discover", breaks)
    search = json.dumps({"search_keywords": ["sailing"], "max_results": 3})
    broken = shared.json("batch", "create", "--platform", "patreon", "--filters", search)["key"]
    answer = shared.run("batch", "run", broken)
    assert answer.code == 1
    assert "KeyError" in answer.err
    assert ADDRESS not in answer.err
    (entry,) = shared.json("logs", broken, "--level", "error", "--grep", "ENDED WITH")["newest"]
    assert entry == shared.json("batch", "log", broken, "--text", "ended with")["newest"][0]
    with dagster_instance(Settings.from_environment()) as instance:
        told = [(each.user_message, each.level) for each in instance.all_logs(entry["run_id"])]
    assert ("the run ended with KeyError", 40) in told


def test_no_file_of_the_home_tells_a_key_or_a_contact_but_the_database_and_the_simulated_vendors(shared, key):
    traces = Traces()
    traces.add_files(shared.home, without=("socialanalyzer.db", "media/", "sandbox/"))
    events = [place for place, text in traces.texts.items() if "ASSET_MATERIALIZATION" in text]
    assert events, "the instance's own database was read"
    assert traces.where(secrets_in) == {}
    assert traces.where(contacts_in) == {}
