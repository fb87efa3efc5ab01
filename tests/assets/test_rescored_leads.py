"""History under another policy in Dagster: one run for neighbouring batches, each with its own figures."""

import asyncio

import dagster as dg
import pytest

from socialanalyzer_dagster.definitions import build_definitions, default_resources
from socialanalyzer_dagster.domain.policy import parse_policy
from socialanalyzer_dagster.pipeline.policies import Authorship, remember
from socialanalyzer_dagster.resources.pipeline import DatabaseResource
from tests.pipeline.batch_world import World, book_policy

FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def rescored(world: World, instance: dg.DagsterInstance, keys: list[str], policy: str) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("lead_batches", keys)
    url = world.database.url.render_as_string(hide_password=False)
    definitions = build_definitions({**default_resources(), "database": DatabaseResource(url=url)})
    return definitions.resolve_job_def("rescore_job").execute_in_process(
        instance=instance,
        run_config={"ops": {"rescored_leads": {"config": {"policy": policy}}}},
        tags={FIRST: keys[0], LAST: keys[-1]},
        raise_on_error=False,
    )


def sentence(result: dg.ExecuteInProcessResult) -> str:
    (failure,) = result.filter_events(lambda each: each.is_step_failure)
    return str(failure.step_failure_data.user_failure_data.description)


def test_each_batch_of_a_run_tells_its_own_flow_and_vendors_hear_nothing(world, instance, clock):
    world.vendor.names = ["p1", "p2"]
    keys = [world.create().key]
    asyncio.run(world.run_at_once(keys[0]))
    world.vendor.names = ["p3"]
    keys.append(world.create().key)
    asyncio.run(world.run_at_once(keys[1]))
    document, sent = world.policy.document(), world.vendor.sent
    for row in document["tiers"]["rows"][:2]:
        row["at_least"] = "0.99"
    stricter = parse_policy(document)
    number = remember(world.database, stricter, Authorship(author="Kai", note="what if", at=clock.now()))
    result = rescored(world, instance, keys, str(number))
    assert result.success
    found = {event.partition: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert {key: (data["scores"].value, data["changed_tiers"].value) for key, data in found.items()} == {
        keys[0]: (2, 2), keys[1]: (1, 1),
    }  # fmt: skip
    (row,) = found[keys[1]]["tier_flow"].records
    assert row.data == {"from": "auto_enroll", "to": "standard_review", "leads": 1}
    assert {data["policy_version"].value for data in found.values()} == {number}
    assert world.vendor.sent == sent


def test_a_key_of_no_batch_and_a_version_nobody_stored_are_refused_in_words(world, instance):
    key = world.create().key
    assert "there is no batch 2026-11-01.book.gone" in sentence(
        rescored(world, instance, [key, "2026-11-01.book.gone"], "")
    )
    assert instance.get_dynamic_partitions("lead_batches") == [key]
    assert "no policy version is named '77'" in sentence(rescored(world, instance, [key], "77"))
