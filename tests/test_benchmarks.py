"""The benchmarks run, and what they measure is what they say: each over a few leads, no figure looked at."""

import pytest

from benchmarks import overhead, plan, rescore


@pytest.mark.parametrize("is_paid", [False, True])
def test_a_batch_goes_through_all_stages_and_its_plan(tmp_path, is_paid):
    done = overhead.run(tmp_path, engine="sqlite", leads=20, is_paid=is_paid)
    assert set(done["parts"]) == {"discovered", "screened", "enriched", "analyzed", "scored", "plan", "synced"}


def test_a_plan_is_made_for_contacts_of_which_half_exist(tmp_path):
    assert plan.run(tmp_path, engine="sqlite", contacts=10)["crm_seconds"] > 0


def test_scores_are_the_same_under_the_same_policy_and_nothing_is_paid(tmp_path):
    done = rescore.run(tmp_path, engine="sqlite", leads=10)
    assert (done["calls"], done["changed_under_same"]) == (0, 0)
