"""What the robots.txt of a site allows us to read."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

import httpx

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorError
from socialanalyzer_dagster.domain.robots_rules import RobotsRules, parse_robots

_KEPT = 1000


class RobotsBook:
    """Rules of the sites met so far; `load` gives the text of a robots.txt or raises VendorError."""

    def __init__(self, agent: str, load: Callable[[str], Awaitable[str]]) -> None:
        self._agent = agent
        self._load = load
        self._rules: OrderedDict[str, RobotsRules] = OrderedDict()

    async def allows(self, url: httpx.URL) -> bool:
        """True when the site has no rules or its rules allow the URL; raises VendorError while they cannot be read."""
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}/robots.txt"
        rules = self._rules.get(origin)
        if rules is None:
            rules = await self._read(origin)
            self._rules[origin] = rules
            if len(self._rules) > _KEPT:
                self._rules.popitem(last=False)
        return rules.allows(url.raw_path.decode("ascii"))

    async def _read(self, robots_url: str) -> RobotsRules:
        """An answer that says there is nothing for us (4xx but 408 and 429) means no rules, as RFC 9309 has it."""
        try:
            text = await self._load(robots_url)
        except VendorError as error:
            if error.error_class is not ErrorClass.PERMANENT_ITEM or error.status is None:
                raise
            return RobotsRules()
        return parse_robots(text, self._agent)
