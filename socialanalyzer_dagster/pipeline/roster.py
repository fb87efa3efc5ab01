"""The BDR roster: loaded from a file outside the repository, changed by name, counted per epoch (spec 11.5)."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage import roster as rows
from socialanalyzer_dagster.storage.database import Database


class RosterError(ValueError):
    """The roster file or a name in a command cannot be used; the text says what would be right."""


class RosterEntry(BaseModel):
    """One person in a roster file."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=80)
    owner_id: str = Field(min_length=1, max_length=40, coerce_numbers_to_str=True)
    active: bool = True


_ENTRIES = TypeAdapter(list[RosterEntry])


@dataclass(frozen=True, slots=True)
class BdrLoad:
    """A BDR with the leads dealt to them: in all, and in the running epoch."""

    bdr: rows.Bdr
    total: int
    this_epoch: int


def read_roster_file(path: Path) -> list[RosterEntry]:
    """The people of a YAML or JSON file `[{name, owner_id, active}]`.

    Raises RosterError with every problem at once: unreadable file, missing keys, a name or owner id that stands twice.
    """
    try:
        entries = _ENTRIES.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RosterError(f"{path} cannot be read as YAML or JSON: {error}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in error.errors())
        raise RosterError(f"{path} must be a list of {{name, owner_id, active}}: {problems}") from error
    for label, values in (("name", [e.name for e in entries]), ("owner_id", [e.owner_id for e in entries])):
        if doubled := sorted({value for value in values if values.count(value) > 1}):
            raise RosterError(f"{path}: {label} must be unique, but {', '.join(doubled)} stands more than once")
    if not entries:
        raise RosterError(f"{path} lists nobody")
    return entries


def load_roster(database: Database, path: Path, *, now: datetime, by: str) -> list[rows.Bdr]:
    """The file becomes the roster, in its order; returns it. Raises RosterError before anything is changed."""
    bdrs = [
        rows.Bdr(name=entry.name, owner_id=entry.owner_id, is_active=entry.active, position=position)
        for position, entry in enumerate(read_roster_file(path))
    ]
    with database.write() as connection:
        rows.replace_roster(connection, bdrs)
        rows.current_epoch(connection, now)
        audit_log.record(connection, at=now, actor=by, action="roster_loaded", subject="bdrs", people=len(bdrs))
    return bdrs


def set_active(database: Database, name: str, *, is_active: bool, now: datetime, by: str) -> None:
    """Activate or deactivate one BDR; raises RosterError naming who exists."""
    with database.write() as connection:
        if not rows.set_active(connection, name, is_active=is_active):
            known = ", ".join(bdr.name for bdr in rows.roster(connection)) or "nobody yet"
            raise RosterError(f"there is no BDR named '{name}'; the roster has: {known}")
        rows.current_epoch(connection, now)
        action = "bdr_activated" if is_active else "bdr_deactivated"
        audit_log.record(connection, at=now, actor=by, action=action, subject=name)


def loads(database: Database, now: datetime) -> list[BdrLoad]:
    """Everyone on the roster with their counts."""
    with database.write() as connection:
        epoch = rows.counts(connection, rows.current_epoch(connection, now))
        totals = rows.totals(connection)
        return [
            BdrLoad(
                bdr, totals.get(bdr.name, 0), sum(dealt for (_tier, name), dealt in epoch.items() if name == bdr.name)
            )
            for bdr in rows.roster(connection)
        ]
