"""Saved searches: create, rename, change, delete; loading one restores every field or says what is wrong (spec 5.9)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from socialanalyzer_dagster.domain.batch_keys import preset_slug
from socialanalyzer_dagster.domain.filters import (
    FieldProblem,
    FilterProblems,
    validate_filters,
)
from socialanalyzer_dagster.domain.outside_text import one_line
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.pipeline.batch_requests import filter_model_of, platform_of
from socialanalyzer_dagster.pipeline.batch_status import ChangedMeanwhile
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import preset_schedules
from socialanalyzer_dagster.storage import presets as rows
from socialanalyzer_dagster.storage.preset_schedules import PresetSchedule
from socialanalyzer_dagster.storage.presets import Preset

MAX_NAME_CHARS = 80


class NoSuchPreset(LookupError):
    """No preset of that name on the platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetForm:
    """What is saved under a name; `new_name` renames a preset that exists."""

    platform: str
    name: str
    filters: Mapping[str, object]
    by: str
    note: str | None = None
    new_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPreset:
    """A stored preset with what the present schema says against it, and when it runs by itself.

    One with problems cannot run.
    """

    preset: Preset
    problems: tuple[FieldProblem, ...]
    schedule: PresetSchedule | None

    @property
    def cron(self) -> str | None:
        """The schedule's expression; None for one that the daily plan may choose."""
        return None if self.schedule is None else self.schedule.cron


def save_preset(workplace: Workplace, form: PresetForm) -> Preset:
    """A new preset, or a new version of the one of that name.

    Raises FilterProblems for invalid filters or a taken or unusable name, ChangedMeanwhile when somebody saved first.
    """
    name = one_line(form.new_name or form.name)
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise FilterProblems((FieldProblem("name", f"must have 1 to {MAX_NAME_CHARS} characters"),))
    filters = _checked(workplace, form.platform, form.filters, active_policy(workplace.database))
    with workplace.database.write() as connection:
        existing = rows.preset_by_name(connection, form.platform, one_line(form.name))
        wanted = Preset(
            preset_id=existing.preset_id if existing else str(uuid.uuid4()),
            platform=form.platform,
            name=name,
            slug=preset_slug(name),
            filters=filters,
            note=form.note,
            created_by=existing.created_by if existing else form.by,
            version=existing.version + 1 if existing else 1,
            updated_at=workplace.clock.now(),
        )
        _refuse_taken(connection, wanted)
        return _stored(connection, wanted, is_new=existing is None)


def _stored(connection: Connection, preset: Preset, *, is_new: bool) -> Preset:
    try:
        if is_new:
            rows.insert_preset(connection, preset)
        elif not rows.update_preset(connection, preset):
            raise ChangedMeanwhile(f"preset '{preset.name}' was changed by somebody else meanwhile")
    except IntegrityError as error:
        raise ChangedMeanwhile(f"preset '{preset.name}' was saved by somebody else meanwhile") from error
    return preset


def _refuse_taken(connection: Connection, wanted: Preset) -> None:
    for other in rows.presets(connection, wanted.platform):
        if other.preset_id == wanted.preset_id:
            continue
        if other.name.lower() == wanted.name.lower() or other.slug == wanted.slug:
            message = f"preset '{other.name}' has that name in batch keys already ({other.slug})"
            raise FilterProblems((FieldProblem("name", message),))


def load_preset(workplace: Workplace, platform: str, name: str) -> LoadedPreset:
    """A preset by name or slug with its problems under the present schema; raises NoSuchPreset."""
    with workplace.database.read() as connection:
        found = find_preset(connection, platform, name)
        schedules = preset_schedules.schedules(connection)
    return _loaded(workplace, found, active_policy(workplace.database), schedules)


def list_presets(workplace: Workplace, platform: str | None = None) -> list[LoadedPreset]:
    """Every preset with its problems."""
    policy = active_policy(workplace.database)
    with workplace.database.read() as connection:
        found = rows.presets(connection, platform)
        schedules = preset_schedules.schedules(connection)
    return [_loaded(workplace, each, policy, schedules) for each in found]


def delete_preset(workplace: Workplace, platform: str, name: str) -> Preset:
    """Forget a preset with its schedule; batches made from it keep their filters. Raises NoSuchPreset."""
    with workplace.database.write() as connection:
        found = find_preset(connection, platform, name)
        rows.delete_preset(connection, found.preset_id)
    return found


def find_preset(connection: Connection, platform: str, name: str) -> Preset:
    """A preset by name or slug; raises NoSuchPreset."""
    found = rows.preset_by_name(connection, platform, name) or rows.preset_by_slug(connection, platform, name)
    if found is None:
        known = ", ".join(each.name for each in rows.presets(connection, platform)) or "none yet"
        raise NoSuchPreset(f"there is no preset '{name}' on {platform}; there are: {known}")
    return found


def _loaded(
    workplace: Workplace, preset: Preset, policy: Policy, schedules: Mapping[str, PresetSchedule]
) -> LoadedPreset:
    problems: tuple[FieldProblem, ...] = ()
    try:
        _checked(workplace, preset.platform, preset.filters, policy)
    except FilterProblems as found:
        problems = found.problems
    return LoadedPreset(preset=preset, problems=problems, schedule=schedules.get(preset.preset_id))


def _checked(workplace: Workplace, platform: str, filters: Mapping[str, object], policy: Policy) -> dict[str, Any]:
    model = filter_model_of(platform_of(workplace, platform))
    return validate_filters(model, filters, policy).model_dump(mode="json")
