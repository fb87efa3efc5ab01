"""Invariants I-37 to I-42 over real batches and the whole command line: what is wrong is seen, what is said exists."""

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import func, select, update

from socialanalyzer_dagster.cli import program
from socialanalyzer_dagster.domain.filters import FilterProblems
from socialanalyzer_dagster.domain.reason_texts import FALLBACKS
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_requests import BatchRequest
from socialanalyzer_dagster.pipeline.batch_status import RUNNING
from socialanalyzer_dagster.pipeline.batch_view import batch_view
from socialanalyzer_dagster.pipeline.batches import create_batch
from socialanalyzer_dagster.pipeline.interruptions import put_back_interrupted
from socialanalyzer_dagster.pipeline.runner import MissingCheckpoint
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from tests.invariants.conftest import Town, World


def _crashed(_run_id: str) -> bool:
    return False


ROOT = Path(__file__).parents[2]
_MENTION = r"(?:^|`)socialanalyzer ([a-z][^`\n#]*)|: socialanalyzer ([^\n\",]*)"
BAD_FILTERS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("instagram", {"max_results": "many", "follower_count": {"min": 9, "max": 3}}, {"max_results", "follower_count"}),
    ("patreon", {"search_keywords": [], "max_results": 0}, {"search_keywords", "max_results"}),
    ("facebook", {"keywords": list("abcdef"), "min_members": 10, "max_members": 5}, {"keywords", "max_members"}),
]


@pytest.mark.parametrize("stage", [Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED])
async def test_i_37_without_a_checkpoint_a_stage_refuses_and_nothing_starts_over(world: World, stage: Stage):
    key = world.create().key
    with pytest.raises(MissingCheckpoint, match="materialize it first"):
        await world.run(key, stage)
    assert world.vendor.sent == 0


@pytest.mark.parametrize("status", sorted({status.value for status in RUNNING.values()}))
async def test_i_38_no_batch_stays_in_a_running_status_without_a_sign_of_life(world: World, clock, status: str):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED)
    with world.database.write() as connection:
        connection.execute(update(LeadBatchRow).values(status=status, heartbeat_at=clock.now()))
    clock.at += timedelta(minutes=15, seconds=1)
    put_back_interrupted(world.workplace, _crashed)
    assert find_batch(world.workplace, key).status == "queued"


@pytest.mark.parametrize(("platform", "filters", "fields"), BAD_FILTERS, ids=[name for name, _, _ in BAD_FILTERS])
def test_i_39_invalid_input_is_refused_field_by_field_before_anything_is_stored(
    town: Town, platform: str, filters: dict[str, Any], fields: set[str]
):
    before = town.rows(func.count(LeadBatchRow.batch_id))
    with pytest.raises(FilterProblems) as refused:
        create_batch(town.workplace, BatchRequest(platform=platform, filters=filters))
    assert all(field in str(refused.value) for field in fields)
    assert town.rows(func.count(LeadBatchRow.batch_id)) == before


async def test_i_41_fall_backs_are_counted_and_told(world: World):
    key = world.create().key
    await world.run(key, Stage.DISCOVERED, Stage.SCREENED)
    assert batch_view(world.workplace, key)["fallbacks"] == {}
    detail = {
        "selection_fallback": True, "triage_doubt": "golf", "transcript_missing": 2, "items_failed": 1,
        "blocks_missing": 1, "dropped_quotes": 3,
    }  # fmt: skip
    with world.database.write() as connection:
        first = select(func.min(StageOutcomeRow.id)).where(StageOutcomeRow.stage == "screened").scalar_subquery()
        connection.execute(update(StageOutcomeRow).where(StageOutcomeRow.id == first).values(detail=detail))
    view = batch_view(world.workplace, key)
    assert view["fallbacks"] == {
        "selection_fallback": 1, "triage_doubt": 1, "transcript_missing": 2, "items_failed": 1, "blocks_missing": 1,
        "dropped_quotes": 3,
    }  # fmt: skip
    assert set(view["fallbacks"]) == set(FALLBACKS)
    assert "Judged on less than usual: 1 lead whose first items were taken, 1 lead kept in doubt, " in view["summary"]


def test_i_41_real_batches_say_how_much_was_judged_on_less_than_usual(town: Town):
    stated = [row.detail for row in town.rows(StageOutcomeRow.stage, StageOutcomeRow.detail) if row.stage == "analyzed"]
    judged = [detail for detail in stated if "dropped_quotes" in detail]
    assert judged
    assert all(isinstance(detail["dropped_quotes"], int) for detail in judged)
    assert any("transcript_missing" in detail and "blocks_missing" in detail for detail in judged)


def advertised() -> Iterator[tuple[str, str]]:
    """Every `socialanalyzer ...` that a document or a text of the program names, with where it stands."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("socialanalyzer_dagster/**/*.py")]
    for path in files:
        text = re.sub(r"[\"']?\n\s*f?[\"']", " ", path.read_text(encoding="utf-8"))
        for match in re.finditer(_MENTION, text, re.MULTILINE):
            yield str(path.relative_to(ROOT)), (match[1] or match[2]).strip()


@cache
def _every_command() -> Any:
    return typer.main.get_command(program())


@pytest.mark.parametrize(("where", "words"), sorted(set(advertised())))
def test_i_42_every_command_that_is_spoken_of_exists(where: str, words: str):
    command: Any = _every_command()
    parts = words.replace("|", " ").split()
    while parts and hasattr(command, "commands"):
        assert parts[0] in command.commands, f"{where} names `socialanalyzer {words}`"
        command = command.commands[parts.pop(0)]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    used = {option.partition("=")[0].rstrip(".,;)") for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", f" {words}")}
    assert used <= known | {"--help"}, f"{where} names `socialanalyzer {words}`"
    is_whole_line = bool(parts) and not used & {"--help"}
    needed = [each.opts for each in command.params if each.required and each.param_type_name == "option"]
    missing = [names for names in needed if not used & set(names)]
    assert not (is_whole_line and missing), f"{where}: `socialanalyzer {words}` lacks {missing}"
