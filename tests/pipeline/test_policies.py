"""Policy versions: stored with who, why and what changed, exactly one active, batches keep theirs (spec 4)."""

import threading
from decimal import Decimal

import pytest
from batch_world import World, book_policy
from sqlalchemy import select

from socialanalyzer_dagster.domain.policy import INSTANT_POLICY, PolicyError, parse_policy, shipped_policy
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.policies import (
    Authorship,
    PriceConfirmation,
    activate,
    active_policy,
    confirm_price,
    ensure_initial_policy,
    policy_diff,
    policy_of_hash,
)
from socialanalyzer_dagster.storage import policies as rows
from socialanalyzer_dagster.storage.models_control import PolicyRow

pytestmark = pytest.mark.usefixtures("every_core")


def stored(database):
    with database.read() as connection:
        return [(each.number, each.is_active, each.author) for each in reversed(rows.versions(connection))]


def test_a_fresh_home_gets_the_shipped_policy_once(database, clock):
    with pytest.raises(PolicyError):
        active_policy(database)
    for _ in range(2):
        assert ensure_initial_policy(database, instant=False, now=clock.now()) == shipped_policy()
    assert stored(database) == [(1, True, "shipped")]


def test_the_instant_sandbox_gets_its_pacing_as_an_ordinary_second_version(database, clock):
    assert ensure_initial_policy(database, instant=True, now=clock.now()) == shipped_policy(INSTANT_POLICY)
    assert stored(database) == [(1, False, "shipped"), (2, True, "shipped")]
    with database.read() as connection:
        diff = rows.active(connection).diff
    changed = {path.split(".")[0] for path in diff}
    assert "limits" in changed
    assert not changed & {"prices", "budgets", "scoring", "tiers", "screening"}, "pacing only"


def test_two_processes_that_start_at_once_store_it_once(database, clock):
    threads = [
        threading.Thread(target=ensure_initial_policy, args=(database,), kwargs={"instant": True, "now": clock.now()})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(database) == [(1, False, "shipped"), (2, True, "shipped")]


def test_activating_keeps_one_active_version_and_says_what_changed(database, clock):
    ensure_initial_policy(database, instant=False, now=clock.now())
    document = shipped_policy().document()
    document["novelty"]["stale_below"] = "0.3"
    new = activate(database, parse_policy(document), Authorship(author="Ada", note="stricter", at=clock.now()))
    assert (new.number, new.author, new.note) == (2, "Ada", "stricter")
    assert list(new.diff) == ["novelty.stale_below"]
    assert active_policy(database).novelty.stale_below == Decimal("0.3")
    activate(database, shipped_policy(), Authorship(author="Ada", note="back", at=clock.now()))
    assert stored(database) == [(1, True, "shipped"), (2, False, "Ada")]
    with database.read() as connection:
        assert len(connection.execute(select(PolicyRow).where(PolicyRow.is_active)).all()) == 1


def test_a_confirmed_price_is_a_new_version(database, clock):
    ensure_initial_policy(database, instant=False, now=clock.now())
    key = "apollo.people_match"
    confirm_price(database, PriceConfirmation(key=key, usd=Decimal("0.03"), by="Ada"), clock.now())
    price = active_policy(database).prices[key]
    assert (price.usd, price.confirmed_by, price.confirmed_on) == (Decimal("0.03"), "Ada", clock.now().date())
    with pytest.raises(PolicyError, match="apollo"):
        confirm_price(database, PriceConfirmation(key="nothing", usd=Decimal(1), by="Ada"), clock.now())


def test_a_batch_keeps_the_policy_it_was_made_under(database, policy, clock, tmp_path):
    world = World(database, book_policy(policy), clock, tmp_path)
    batch = find_batch(world.workplace, world.create().key)
    other = book_policy(policy, novelty={"stale_below": "0.5"})
    activate(database, other, Authorship(author="Ada", note="", at=clock.now()))
    assert policy_of_hash(database, batch.policy_hash) == world.policy
    with pytest.raises(PolicyError):
        policy_of_hash(database, "0" * 64)


def test_a_difference_names_changed_added_and_removed_leaves():
    assert policy_diff({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": 3}}) == {
        "a.c": {"old": 2, "new": "(absent)"},
        "a.d": {"old": "(absent)", "new": 3},
    }


def test_a_version_of_an_earlier_package_is_followed_by_itself_with_the_new_keys(sqlite_database, clock):
    database = sqlite_database
    earlier = shipped_policy().document() | {"policy_version": "1.0.0"}
    del earlier["analysis"]["mode"], earlier["analysis"]["model_batch"]
    with database.write() as connection:
        rows.insert_policy(
            connection,
            rows.StoredPolicy(
                policy_hash="h", number=1, policy_version="1.0.0", document=earlier, author="Ada", note="ours", diff={},
                created_at=clock.now(), is_active=True,
            ),
        )  # fmt: skip
    for _ in range(2):
        assert ensure_initial_policy(database, instant=False, now=clock.now()) == shipped_policy()
    assert stored(database) == [(1, False, "Ada"), (2, True, "shipped")]
    assert policy_of_hash(database, "h") == shipped_policy(), "a batch that pinned it can still be read"
