"""Leads are dealt evenly whatever happens: generated histories over the real store (spec 11.5, I-47)."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from crm_world import CrmWorld, crm_world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from socialanalyzer_dagster.pipeline.approvals import approve, reject
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.storage import roster
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_control import BdrRow

PEOPLE = ("Ada", "Ben", "Cleo", "Dan")
TIERS = ("standard_review", "auto_enroll")
Day: TypeAlias = tuple[frozenset[str], list[list[str]]]
"""Who is active, and the tiers of each batch whose plan is made at the same time."""
DAYS = st.tuples(
    st.frozensets(st.sampled_from(PEOPLE), min_size=1),
    st.lists(st.lists(st.sampled_from(TIERS), min_size=1, max_size=5), min_size=2, max_size=3),
)
_NUMBERS = itertools.count()


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # a failing example names the whole policy
@settings(
    max_examples=3, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(history=st.lists(DAYS, min_size=1, max_size=2))
def test_i_47_any_batches_at_once_are_dealt_evenly_among_any_active_people_and_keep_their_owner(
    sqlite_database: Database, policy: Any, clock: Any, crm_sandbox: SandboxServer, tmp_path: Path, history: list[Day]
) -> None:  # on each engine: `test_i_47_leads_are_dealt_evenly_per_tier_under_concurrency_and_keep_their_owner`
    with sqlite_database.write() as connection:  # a workplace of the tests brings its own people
        connection.execute(delete(BdrRow))

    async def play() -> None:
        async with crm_world(sqlite_database, policy, clock, tmp_path, crm_sandbox) as world:
            for active, batches in history:
                await _day(world, active, batches)

    asyncio.run(play())


async def _day(world: CrmWorld, active: frozenset[str], batches: Sequence[Sequence[str]]) -> None:
    world.bdrs(*((name, name in active) for name in PEOPLE))
    keys = [await _scored(world, tiers) for tiers in batches]
    await asyncio.gather(*(world.plan(key) for key in keys))
    assert_even(_counts(world), active)
    owners = {name: row.planned.bdr for key in keys for name, row in world.rows(key).items()}
    assert None not in owners.values()
    approve(world.workplace, keys[0], by="Mara")
    await world.sync(keys[0])
    written = list(world.rows(keys[0]))
    world.bdrs(*((name, name not in active) for name in PEOPLE))
    again = await world.synced(*written)
    assert set(world.states(again).values()) == {"updated"}
    kept = {name: contact.value("bdr_") for name in written if (contact := world.contact(name)) is not None}
    assert kept == {name: f"owner-{owners[name]}" for name in written}, "whoever had a lead keeps it"


async def _scored(world: CrmWorld, tiers: Sequence[str]) -> str:
    """A batch of new leads in these tiers; those of the enrolled tier need a BDR, for their address is not valid."""
    names = {f"lead{next(_NUMBERS)}": tier for tier in tiers}
    world.vendor.tiers |= names
    world.vendor.statuses |= dict.fromkeys(names, "catch_all")
    return await world.scored(*names)


def _counts(world: CrmWorld) -> Counter[tuple[str, str]]:
    with world.database.write() as connection:
        return Counter(roster.counts(connection, roster.current_epoch(connection, world.clock.now())))


def assert_even(counts: Counter[tuple[str, str]], active: frozenset[str]) -> None:
    """At most one lead of each tier between any two of the people."""
    for tier in TIERS:
        dealt = [counts[tier, name] for name in active]
        assert max(dealt) - min(dealt) <= 1, (tier, counts)


async def test_what_is_given_back_is_evened_out_by_the_next_deals(world: CrmWorld) -> None:
    both = frozenset({"Ada", "Ben"})
    world.bdrs(("Ada", True), ("Ben", True))
    keys = [await _scored(world, [TIERS[0]]) for _ in range(6)]
    for key in keys:
        await world.plan(key)
    for key in keys[::2]:  # dealt in turn: these are one person's
        reject(world.workplace, key, by="Mara", reason="not now")
    left = _counts(world)
    assert (left[TIERS[0], "Ada"], left[TIERS[0], "Ben"]) == (0, 3)
    following = await _scored(world, [TIERS[0]] * 3)
    await world.plan(following)
    assert {row.planned.bdr for row in world.rows(following).values()} == {"Ada"}
    assert_even(_counts(world), both)
