"""Setting the CRM up: every property once, and what cannot be put right said in words (spec 11.3)."""

from collections.abc import AsyncIterator

import pytest
from crm_world import hubspot_of

from socialanalyzer_dagster.domain.calls import Reply, VendorCall
from socialanalyzer_dagster.domain.crm_properties import UNIQUE_PROPERTY
from socialanalyzer_dagster.domain.crm_table import crm_properties
from socialanalyzer_dagster.domain.policy import Policy, parse_policy
from socialanalyzer_dagster.domain.ports import CallFailed, Clock
from socialanalyzer_dagster.pipeline.crm_setup import CrmNotReady, create_missing, missing_properties
from socialanalyzer_dagster.pipeline.free_calls import FreeCalls, free_calls
from socialanalyzer_dagster.sandbox.faults import Fault
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.sandbox.vendors.hubspot import crm_of
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.hubspot import HubSpot, PropertyDefinition


@pytest.fixture
async def client(crm_sandbox: SandboxServer, tmp_path) -> AsyncIterator[HubSpot]:
    crm_sandbox.state.reset()
    made = hubspot_of(crm_sandbox, tmp_path)
    yield made
    crm_sandbox.state.faults.reset()
    await made.aclose()


@pytest.fixture
async def calls(sqlite_database: Database, policy: Policy, clock: Clock) -> AsyncIterator[FreeCalls]:
    async with free_calls(sqlite_database, policy, clock) as made:
        yield made


async def test_set_up_creates_what_is_missing_and_a_second_one_nothing(
    calls: FreeCalls, client: HubSpot, policy: Policy
) -> None:
    lacking = await missing_properties(calls, client, policy)
    assert UNIQUE_PROPERTY in lacking.missing
    assert "email" not in lacking.missing
    created = await create_missing(calls, client, policy)
    assert created == list(lacking.missing)
    assert await create_missing(calls, client, policy) == []
    assert not await missing_properties(calls, client, policy)


async def test_the_created_properties_are_those_of_the_table(
    calls: FreeCalls, client: HubSpot, policy: Policy, crm_sandbox: SandboxServer
) -> None:
    await create_missing(calls, client, policy)
    definitions = crm_of(crm_sandbox.state).properties.definitions
    assert set(crm_properties(policy)) <= set(definitions)
    tier = {option["value"] for option in definitions["priority_tier"]["options"]}
    assert tier == {"auto_enroll", "standard_review"}
    assert definitions[UNIQUE_PROPERTY]["hasUniqueValue"] is True


async def test_our_key_without_unique_values_is_a_problem_for_a_person(
    calls: FreeCalls, client: HubSpot, policy: Policy
) -> None:
    wrong = PropertyDefinition(name=UNIQUE_PROPERTY, label="Creator uid", type="string", field_type="text")
    await calls.send(client.create_properties([wrong]))
    with pytest.raises(CrmNotReady, match="creator_uid exists without unique values"):
        await create_missing(calls, client, policy)


async def test_an_opt_out_or_outcome_property_that_does_not_exist_is_told(
    calls: FreeCalls, client: HubSpot, policy: Policy
) -> None:
    document = policy.document()
    outcome = {"property": "lead_statos", "value": "CONNECTED", "outcome": "contacted"}
    document["crm"] |= {"opt_out_property": "opted_owt", "outcomes": [outcome]}
    mistyped = parse_policy(document)
    with pytest.raises(CrmNotReady, match="no contact property lead_statos, opted_owt, which the policy reads"):
        await create_missing(calls, client, mistyped)
    assert (await missing_properties(calls, client, mistyped)).missing == ()


async def test_set_up_survives_a_busy_crm(
    calls: FreeCalls, client: HubSpot, policy: Policy, crm_sandbox: SandboxServer
) -> None:
    crm_sandbox.state.faults.set([Fault("hubspot", "*", "error_503", "nth", 1)])
    assert await create_missing(calls, client, policy)


async def test_a_refused_key_is_told(
    calls: FreeCalls, client: HubSpot, policy: Policy, crm_sandbox: SandboxServer
) -> None:
    crm_sandbox.state.faults.set([Fault("hubspot", "*", "unauthorized")])
    with pytest.raises(CallFailed):
        await missing_properties(calls, client, policy)


async def test_a_call_that_can_cost_money_is_never_sent_without_a_gate(calls: FreeCalls) -> None:
    async def send() -> Reply:
        raise AssertionError("sent")

    call = VendorCall(operation="openai.chat", request={}, max_units={}, send=send, decode=dict)
    with pytest.raises(ValueError, match="gate"):
        await calls.send(call)
