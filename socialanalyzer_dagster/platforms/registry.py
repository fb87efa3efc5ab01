"""The platforms that exist; a new one is its file and one name here."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from socialanalyzer_dagster.domain.types import STAGES, PlatformKey
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.platforms.facebook import FACEBOOK
from socialanalyzer_dagster.platforms.instagram import INSTAGRAM
from socialanalyzer_dagster.platforms.patreon import PATREON


class UnknownPlatform(ValueError):
    """The key names no platform; the text lists those that exist."""

    def __init__(self, key: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no platform '{key}'; there are: {', '.join(known)}")
        self.key = key


def registered(*platforms: Platform) -> Mapping[PlatformKey, Platform]:
    """Platforms by key; raises ValueError at load when a key is taken twice or a stage is not declared (spec 3.2)."""
    by_key: dict[PlatformKey, Platform] = {}
    for each in platforms:
        if each.key in by_key:
            raise ValueError(f"two platforms call themselves '{each.key}'")
        if missing := [stage for stage in STAGES if stage not in each.adapters]:
            raise ValueError(f"platform '{each.key}' declares no adapter for: {', '.join(missing)}")
        by_key[each.key] = each
    return MappingProxyType(by_key)


PLATFORMS: Mapping[PlatformKey, Platform] = registered(INSTAGRAM, PATREON, FACEBOOK)


def platform(key: str) -> Platform:
    """The platform of a key; raises UnknownPlatform, whose text lists what exists."""
    found = PLATFORMS.get(PlatformKey(key))
    if found is None:
        raise UnknownPlatform(key, PLATFORMS)
    return found
