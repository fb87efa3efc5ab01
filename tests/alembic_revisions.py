"""Alembic's revisions, read once per process; every Dagster instance and every new home would read all of them."""

from alembic.config import Config
from alembic.script import ScriptDirectory

_from_config = ScriptDirectory.from_config
_kept: dict[str | None, ScriptDirectory] = {}


def keep_revisions() -> None:
    """From now on in this process; a folder of revisions is taken to stay as it is."""
    ScriptDirectory.from_config = _kept_directory  # type: ignore[method-assign]


def _kept_directory(config: Config) -> ScriptDirectory:
    place = config.get_main_option("script_location")
    if place not in _kept:
        _kept[place] = _from_config(config)
    return _kept[place]
