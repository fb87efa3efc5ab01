"""The workflow of the CRM is told once per contact and plan, where the policy says so (spec 11.6)."""

from typing import Any

import pytest
from batch_world import book_policy
from crm_world import CrmWorld, uid_of
from sqlalchemy import select, update

from socialanalyzer_dagster.domain.ports import Gate
from socialanalyzer_dagster.domain.refusals import BatchStopped
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline import crm_webhook
from socialanalyzer_dagster.pipeline.batch_actions import Deed, retry
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.crm_admission import SyncRefused
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.plan_view import plan_view
from socialanalyzer_dagster.pipeline.policies import Authorship, activate
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.vendors.hubspot_workflow import triggered
from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow
from socialanalyzer_dagster.storage.sync_plans import StoredRow
from socialanalyzer_dagster.vendors.hubspot_workflow import Workflow


@pytest.fixture
def told(world: CrmWorld, policy: Any) -> CrmWorld:
    """A world whose policy tells the workflow."""
    changed = book_policy(policy, crm=policy.document()["crm"] | {"webhook_enabled": True})
    activate(world.database, changed, Authorship(author="test", note="", at=world.clock.now()))
    return world


def answers(world: CrmWorld) -> list[str | None]:
    with world.database.read() as connection:
        return list(connection.execute(select(SyncPlanLeadRow.webhook)).scalars())


async def test_each_written_contact_is_told_once(told: CrmWorld) -> None:
    told.vendor.statuses = {"p3": "invalid"}
    key = await told.synced("p1", "p2", "p3")
    assert told.server is not None
    facts = triggered(told.server.state)
    assert {each["creator_uid"] for each in facts} == {uid_of("p1"), uid_of("p2")}
    assert {(each["action"], each["lead_batch_id"]) for each in facts} == {("created", key)}
    assert "example.org" not in str(facts)
    await told.sync(key)
    assert len(triggered(told.server.state)) == 2
    assert sorted(map(str, answers(told))) == ["None", "accepted", "accepted"]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("error_500", "failed: http_500"), ("locked", "failed: http_423"), ("closed_after", "failed: connection_broken")],
)
async def test_anything_but_a_success_is_a_recorded_failure_and_is_not_repeated(
    told: CrmWorld, kind: str, answer: str
) -> None:
    told.faults(Fault("hubspot", "webhook", kind))
    key = await told.synced("p1")
    assert told.states(key) == {"p1": "created"}, "the contact is written all the same"
    assert told.codes(Stage.SYNCED) == {"created": 1}
    assert answers(told) == [answer]
    assert told.server is not None
    assert told.server.state.calls["hubspot.webhook"] == 1
    assert batch_view(told.workplace, key)["sync"]["untold"] == 1
    (row,) = plan_view(told.workplace, key)["rows"]
    assert row["untold"] == answer.removeprefix("failed: ")


async def test_a_workflow_that_asks_for_a_break_is_told_after_it_and_one_that_never_takes_it_shows(
    told: CrmWorld,
) -> None:
    told.faults(Fault("hubspot", "webhook", "rate_limited_bare", "nth", 1))
    await told.synced("p1")
    assert answers(told) == ["accepted"]
    told.faults(Fault("hubspot", "webhook", "rate_limited_bare"))
    key = await told.synced("p2")
    (row,) = plan_view(told.workplace, key)["rows"]
    assert row["untold"] == "http_429"


async def test_a_call_without_a_known_end_is_never_made_again(told: CrmWorld) -> None:
    key = await told.approved("p1")
    with told.database.write() as connection:
        connection.execute(update(SyncPlanLeadRow).values(webhook="unknown"))
    assert (await told.sync(key)).rows == {"created": 1}
    assert told.server is not None
    assert triggered(told.server.state) == []
    assert answers(told) == ["unknown"]


async def test_contacts_that_a_refused_call_left_untold_are_told_by_the_next_run(
    told: CrmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await told.approved("p1", "p2", "p3")
    calls = crm_webhook._told

    async def away(batch: OpenBatch, gate: Gate, workflow: Workflow, row: StoredRow) -> str:
        if told.server is not None and triggered(told.server.state):
            raise BatchStopped("the batch was stopped")
        return await calls(batch, gate, workflow, row)

    with monkeypatch.context() as patch:
        patch.setattr(crm_webhook, "_told", away)
        assert (await told.sync(key)).rows == {"created": 3}
    assert sorted(map(str, answers(told))) == ["None", "None", "accepted"]
    retry(told.workplace, key, Deed(by="Mara"))
    await told.sync(key)
    assert told.server is not None
    assert len(triggered(told.server.state)) == 3
    assert answers(told) == ["accepted"] * 3


async def test_nobody_is_told_where_the_policy_does_not_say_so(world: CrmWorld) -> None:
    await world.synced("p1")
    assert world.server is not None
    assert triggered(world.server.state) == []
    assert answers(world) == [None]


async def test_a_policy_that_tells_a_workflow_needs_its_address(told: CrmWorld) -> None:
    key = await told.approved("p1")
    assert told.hubspot is not None
    told.hubspot.workflow = None
    with pytest.raises(SyncRefused, match="HUBSPOT_WEBHOOK_URL"):
        await told.sync(key)
    assert told.writes == 0
