"""Presets: every field comes back, names are unique whatever their case, invalid ones are shown (5.9)."""

import pytest
from batch_world import PLATFORM, World, book_policy
from sqlalchemy import update

from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.presets import (
    NoSuchPreset,
    PresetForm,
    delete_preset,
    list_presets,
    load_preset,
    save_preset,
)
from socialanalyzer_dagster.storage.models_leads import PresetRow


@pytest.fixture
def world(sqlite_database, policy, clock, tmp_path):
    return World(sqlite_database, book_policy(policy), clock, tmp_path)


def save(world, name, *, new_name=None, **filters):
    form = PresetForm(platform=PLATFORM, name=name, filters=filters, by="Ada", note="note", new_name=new_name)
    return save_preset(world.workplace, form)


def test_saving_again_makes_a_new_version_and_loading_restores_every_field(world):
    save(world, "Travel Micro", keyword="travel")
    second = save(world, "travel micro", keyword="hiking", max_results=7)
    assert (second.version, second.slug) == (2, "travel-micro")
    loaded = load_preset(world.workplace, PLATFORM, "TRAVEL MICRO")
    assert loaded.preset.filters == {"keyword": "hiking", "max_results": 7}
    assert loaded.problems == ()
    assert len(list_presets(world.workplace)) == 1


def test_a_renamed_preset_keeps_its_versions_and_a_taken_name_is_refused(world):
    save(world, "one", keyword="a")
    save(world, "two", keyword="b")
    assert save(world, "one", new_name="three", keyword="a").version == 2
    with pytest.raises(FilterProblems, match="two"):
        save(world, "three", new_name="Two", keyword="a")
    with pytest.raises(NoSuchPreset, match="three"):
        load_preset(world.workplace, PLATFORM, "one")


def test_invalid_filters_are_not_saved_and_an_outdated_preset_is_shown_with_its_errors(world):
    with pytest.raises(FilterProblems):
        save(world, "bad", keyword=5)
    save(world, "old", keyword="a")
    with world.database.write() as connection:
        connection.execute(update(PresetRow).values(filters={"keyword": "a", "dropped_field": 1}))
    assert [problem.field for problem in load_preset(world.workplace, PLATFORM, "old").problems] == ["dropped_field"]
    with pytest.raises(FilterProblems, match="dropped_field"):
        world.create(preset="old")


def test_a_deleted_preset_is_gone_and_its_batches_keep_their_filters(world):
    save(world, "gone", keyword="a")
    key = world.create(preset="gone").key
    delete_preset(world.workplace, PLATFORM, "gone")
    with pytest.raises(NoSuchPreset):
        load_preset(world.workplace, PLATFORM, "gone")
    assert find_batch(world.workplace, key).filters["keyword"] == "a"
