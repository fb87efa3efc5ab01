"""The version of this code, stored with every outcome."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

_PACKAGE = "socialanalyzer-dagster"


@cache
def code_version() -> str:
    """The installed version; 'source' when the package runs from its tree without being installed."""
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        return "source"
