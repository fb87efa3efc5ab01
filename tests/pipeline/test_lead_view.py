"""One lead in full, found by any of its names, and lists of leads page by page."""

import pytest
from batch_world import World, book_policy

from socialanalyzer_dagster.domain.types import lead_uid
from socialanalyzer_dagster.pipeline.lead_view import NoSuchLead, lead_list, lead_view
from socialanalyzer_dagster.storage.lead_views import LeadPage


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


def view_of(world, name):
    with world.database.read() as connection:
        return lead_view(connection, name)


def listed(world, **page):
    with world.database.read() as connection:
        return lead_list(connection, LeadPage(**page))


async def test_a_lead_is_found_by_uid_id_and_handle(world):
    await world.run(world.create().key)
    uid = lead_uid("testbook", "p1")
    for name in (uid, "testbook:p1", "p1", "@P1", "testbook:@p1"):
        assert view_of(world, name)["lead_uid"] == uid
    with pytest.raises(NoSuchLead, match="there is no lead 'nobody'"):
        view_of(world, "nobody")


async def test_a_lead_shows_outcomes_score_contacts_with_source_evidence_and_cost(world):
    await world.run(world.create().key)
    view = view_of(world, "p1")
    stages = [(each["stage"], each["result"]) for each in view["outcomes"]]
    assert stages == [(stage, "passed") for stage in ("discovered", "screened", "enriched", "analyzed", "scored")]
    assert view["score"]["tier"] == "auto_enroll"
    (email,) = (each for each in view["contacts"] if each["field"] == "email")
    assert (email["value"], email["step"], email["provider"]) == ("p1@example.org", "B", "book")
    assert {each["kind"] for each in view["evidence"]} >= {"screened_note", "analyzed_note"}
    assert view["total_micros"] == sum(each["amount_micros"] for each in view["costs"]) > 0


async def test_lists_page_by_cursor_in_a_fixed_order(world):
    created = world.create()
    await world.run(created.key)
    seen, after = [], None
    while True:
        page = listed(world, batch_id=created.batch_id, limit=4, after=after)
        seen += [each["platform_id"] for each in page["leads"]]
        if page["next"] is None:
            break
        after = tuple(page["next"].split(":", 1))
    assert seen == [f"p{n}" for n in range(1, 7)]


async def test_lists_can_be_narrowed_to_a_stage_a_result_and_a_tier(world):
    world.vendor.names = ["p1", "r1"]
    await world.run(world.create().key)
    assert [each["handle"] for each in listed(world, stage="screened", result="rejected")["leads"]] == ["r1"]
    assert [each["handle"] for each in listed(world, stage="screened", result="passed")["leads"]] == ["p1"]
    assert [each["handle"] for each in listed(world, tier="auto_enroll")["leads"]] == ["p1"]
    (rejected,) = listed(world, result="rejected")["leads"]
    assert (rejected["code"], rejected["reason"]) == ("inactive", "no recent post")
