"""The checks of an asset are one step of a run: all are told, warnings hold nothing back, failures are named."""

import re
from collections.abc import Callable

import dagster as dg
import pytest
from dagster._serdes import serialize_value

from socialanalyzer_dagster.checks.baseline_checks import baseline_checks
from socialanalyzer_dagster.checks.batch_checks import batch_checks
from socialanalyzer_dagster.checks.check_groups import CheckOf, CheckVerdict, failed_steps, grouped
from socialanalyzer_dagster.checks.provider_checks import provider_checks
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.resources.pipeline import DatabaseResource
from socialanalyzer_dagster.storage.database import Database

KEY = "2026-11-20.patreon.walkers"
PRIVATE = "somebody's private words"


@dg.asset(partitions_def=LEAD_BATCHES)
def first_leads() -> None:
    """An asset with checks."""


@dg.asset(partitions_def=LEAD_BATCHES, deps=[first_leads])
def second_leads() -> None:
    """What comes after it."""


def found(**finding: object) -> Callable[[Database, str], CheckVerdict]:
    return lambda _database, _key: CheckVerdict(**finding)  # type: ignore[arg-type]


def broken(_database: Database, _key: str) -> CheckVerdict:
    raise RuntimeError(PRIVATE)


def run(database: Database, *statements: CheckOf, only: str | None = None) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions(
        assets=[first_leads, second_leads],
        asset_checks=grouped(statements),
        jobs=[dg.define_asset_job("job", selection=selection(only), executor_def=dg.in_process_executor)],
        resources={"database": DatabaseResource(url=database.url.render_as_string())},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(LEAD_BATCHES.name), [KEY])
        job = definitions.resolve_job_def("job")
        result = job.execute_in_process(partition_key=KEY, instance=instance, raise_on_error=False)
        logged = "".join(map(serialize_value, instance.all_logs(result.run_id)))
    assert PRIVATE not in logged
    return result


def selection(only: str | None) -> dg.AssetSelection:
    if only is None:
        return dg.AssetSelection.all()
    of_the_asset = dg.AssetSelection.assets(first_leads).without_checks()
    return of_the_asset | dg.AssetSelection.checks(dg.AssetCheckKey(first_leads.key, only))


def told(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str | None]]:
    return {each.check_name: (each.passed, each.description) for each in result.get_asset_check_evaluations()}


def went_on(result: dg.ExecuteInProcessResult) -> bool:
    return second_leads.key in {each.asset_key for each in result.get_asset_materialization_events()}


HOLDS = CheckOf(name="holds", asset=first_leads, look=found(passed=True, sentence="It does."))
WARNS = CheckOf(name="warns", asset=first_leads, look=found(passed=False, sentence="Look."), blocking=False)
FAILS = CheckOf(name="fails", asset=first_leads, look=found(passed=False, is_error=True, sentence="It does not."))


def test_they_are_one_step_and_a_warning_holds_nothing_back(sqlite_database: Database) -> None:
    result = run(sqlite_database, HOLDS, WARNS)
    assert result.success
    assert told(result) == {"holds": (True, "It does."), "warns": (False, "Look.")}
    assert {each.partition for each in result.get_asset_check_evaluations()} == {KEY}
    assert {each.step_key for each in result.get_step_success_events()} == {
        "first_leads", "first_leads_checks", "second_leads"
    }  # fmt: skip


def test_a_blocking_one_that_fails_stops_what_comes_after_and_is_named_while_the_others_are_told(
    sqlite_database: Database,
) -> None:
    result = run(sqlite_database, FAILS, HOLDS, WARNS)
    assert not went_on(result)
    assert set(told(result)) == {"fails", "holds", "warns"}
    assert failed_steps(result.all_events) == ("first_leads_fails",)


def test_one_that_only_warns_and_breaks_says_so_without_its_words_and_keeps_nobody(sqlite_database: Database) -> None:
    result = run(sqlite_database, HOLDS, CheckOf(name="warns", asset=first_leads, look=broken, blocking=False))
    assert result.success
    assert went_on(result)
    passed, sentence = told(result)["warns"]
    assert not passed
    assert re.fullmatch(r"Could not be looked at: RuntimeError in check_groups:\d+\.", str(sentence))


def test_one_that_breaks_after_another_failed_leaves_both_causes(sqlite_database: Database) -> None:
    result = run(sqlite_database, FAILS, CheckOf(name="breaks", asset=first_leads, look=broken))
    assert not went_on(result)
    assert failed_steps(result.all_events) == ("first_leads_fails", "first_leads_checks")


def test_what_checks_say_of_themselves_is_shown_without_the_margins_of_their_code() -> None:
    groups = grouped([*batch_checks(), *baseline_checks(), *provider_checks()])
    told = [spec.description or "" for group in groups for spec in group.check_specs]
    assert all(told)
    assert not [line for text in told for line in text.splitlines() if line.startswith(" ")]


def test_a_blocking_one_that_breaks_fails_its_step(sqlite_database: Database) -> None:
    result = run(sqlite_database, CheckOf(name="holds", asset=first_leads, look=broken))
    assert not went_on(result)
    assert failed_steps(result.all_events) == ("first_leads_checks",)


@pytest.mark.parametrize("name", ["holds", "warns"])
def test_each_can_be_asked_for_alone(sqlite_database: Database, name: str) -> None:
    assert set(told(run(sqlite_database, HOLDS, WARNS, only=name))) == {name}
