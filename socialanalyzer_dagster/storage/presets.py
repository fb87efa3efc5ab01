"""Named, saved searches: unique per platform whatever the letter case (spec 5.9)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_leads import PresetRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A saved search form; `slug` is its part of partition keys."""

    preset_id: str
    platform: str
    name: str
    slug: str
    filters: Mapping[str, Any]
    note: str | None
    created_by: str
    version: int
    updated_at: datetime


_PRESETS = table_of(PresetRow)
_COLUMNS = [_PRESETS.c[name] for name in Preset.__slots__]
_NEW = insert(_PRESETS)
_OF_PLATFORM = select(*_COLUMNS).where(_PRESETS.c.platform == bindparam("platform"))
_BY_NAME = _OF_PLATFORM.where(_PRESETS.c.lower_name == bindparam("name"))
_BY_SLUG = _OF_PLATFORM.where(_PRESETS.c.slug == bindparam("slug")).limit(1)
_BY_ID = select(*_COLUMNS).where(_PRESETS.c.preset_id == bindparam("wanted"))


def _preset(row: Row[Any] | None) -> Preset | None:
    return Preset(**row._mapping) if row is not None else None  # noqa: SLF001


def insert_preset(connection: Connection, preset: Preset) -> None:
    """A new preset; raises IntegrityError when the platform has one of that name."""
    row = {name: getattr(preset, name) for name in Preset.__slots__}
    connection.execute(_NEW, {**row, "lower_name": preset.name.lower()})


def update_preset(connection: Connection, preset: Preset) -> bool:
    """Replace a preset that is still the version before; False when somebody else changed it."""
    row = {name: getattr(preset, name) for name in Preset.__slots__ if name != "preset_id"}
    changed = connection.execute(
        update(PresetRow)
        .where(PresetRow.preset_id == preset.preset_id, PresetRow.version == preset.version - 1)
        .values(**row, lower_name=preset.name.lower())
    )
    return changed.rowcount == 1


def delete_preset(connection: Connection, preset_id: str) -> bool:
    """Forget a preset; batches keep their filters."""
    return connection.execute(delete(PresetRow).where(PresetRow.preset_id == preset_id)).rowcount == 1


def preset_by_name(connection: Connection, platform: str, name: str) -> Preset | None:
    """A preset by its name in any letter case."""
    names = {"platform": platform, "name": name.lower()}
    return _preset(connection.execute(_BY_NAME, names).one_or_none())


def preset_by_id(connection: Connection, preset_id: str) -> Preset | None:
    """A preset; None when it was deleted."""
    return _preset(connection.execute(_BY_ID, {"wanted": preset_id}).one_or_none())


def preset_by_slug(connection: Connection, platform: str, slug: str) -> Preset | None:
    """A preset by its part of the partition key."""
    return _preset(connection.execute(_BY_SLUG, {"platform": platform, "slug": slug}).one_or_none())


def presets(connection: Connection, platform: str | None = None) -> Sequence[Preset]:
    """Every preset by platform and name."""
    query = select(*_COLUMNS).order_by(PresetRow.platform, PresetRow.lower_name)
    if platform is not None:
        query = query.where(PresetRow.platform == platform)
    return [Preset(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001
