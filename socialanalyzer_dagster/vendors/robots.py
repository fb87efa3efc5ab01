"""What the robots.txt of a site allows us to read."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from urllib.robotparser import RobotFileParser

import httpx

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError

_KEPT = 1000


class RobotsBook:
    """Rules of the sites met so far; `load` gives the text of a robots.txt or raises VendorError."""

    def __init__(self, agent: str, load: Callable[[str], Awaitable[str]]) -> None:
        self._agent = agent
        self._load = load
        self._rules: OrderedDict[str, RobotFileParser] = OrderedDict()

    async def allows(self, url: httpx.URL) -> bool:
        """True when the site has no rules or its rules allow the URL; raises VendorError while they cannot be read."""
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}/robots.txt"
        rules = self._rules.get(origin)
        if rules is None:
            rules = await self._read(origin)
            self._rules[origin] = rules
            if len(self._rules) > _KEPT:
                self._rules.popitem(last=False)
        return rules.can_fetch(self._agent, str(url))

    async def _read(self, robots_url: str) -> RobotFileParser:
        rules = RobotFileParser()
        try:
            text = await self._load(robots_url)
        except VendorError as error:
            if error.error_class is not ErrorClass.PERMANENT_ITEM or error.status is None:
                raise
            text = ""
        rules.parse(text.splitlines())
        return rules
