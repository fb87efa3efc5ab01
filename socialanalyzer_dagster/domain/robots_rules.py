"""What a robots.txt says to one reader: the groups for it, the longest matching path, wildcards (RFC 9309)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, unquote_to_bytes

_TOKEN = re.compile(r"[a-z_-]+")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_KEPT = "/?#[]@!$&'()*+,;=:%~"
_MAX_RULES, _MAX_RULE_CHARS = 2_000, 100_000
"""Of one site, together; what follows is not kept, as little as what stands behind the bytes that are read."""
_UNRESERVED = re.compile(rb"[A-Za-z0-9._~-]")


@dataclass(frozen=True, slots=True)
class RobotsRules:
    """Path patterns with what they say: True allows, False forbids."""

    rules: tuple[tuple[str, bool], ...] = ()

    def allows(self, path: str) -> bool:
        """True when the longest pattern that fits the path and query allows it, or none fits; a tie allows."""
        plain = _normal(path)
        fitting = [(len(pattern), allowed) for pattern, allowed in self.rules if _fits(pattern, plain)]
        return max(fitting)[1] if fitting else True


def parse_robots(text: str, agent: str) -> RobotsRules:
    """The rules for the product token `agent`: of all groups that name it, else of those for everybody."""
    named: list[tuple[str, bool]] = []
    general: list[tuple[str, bool]] = []
    is_named = False
    for agents, rules in _groups(text):
        if agent.lower() in agents:
            is_named = True
            named += rules
        if "*" in agents:
            general += rules
    return RobotsRules(tuple(_bounded(named if is_named else general)))


def _bounded(rules: list[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    chars = 0
    for pattern, allowed in rules[:_MAX_RULES]:
        chars += len(pattern)
        if chars > _MAX_RULE_CHARS:
            return
        yield pattern, allowed


def _groups(text: str) -> Iterator[tuple[set[str], list[tuple[str, bool]]]]:
    """Each run of user-agent lines with the rules that follow it."""
    agents: set[str] = set()
    rules: list[tuple[str, bool]] = []
    in_rules = False
    for key, value in _lines(text):
        if key == "user-agent":
            if in_rules:
                yield agents, rules
                agents, rules, in_rules = set(), [], False
            agents.add(_product(value))
        elif key in ("allow", "disallow"):
            in_rules = True
            if value:
                rules.append((_normal(value), key == "allow"))
    yield agents, rules


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in re.split(r"[\r\n]+", text):
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().lower(), value.strip()


def _product(value: str) -> str:
    """`SocialAnalyzerBot/1.0` -> `socialanalyzerbot`; a name with other characters keeps its first word."""
    lowered = value.lower()
    token = _TOKEN.match(lowered)
    return "*" if lowered == "*" else token.group() if token else ""


def _normal(path: str) -> str:
    """One spelling of a path: other letters percent-encoded, needless encodings undone, hexadecimal in capitals."""
    quoted = quote(path, safe=_KEPT)
    return _ENCODED.sub(lambda found: _decoded(found.group()), quoted)


@cache
def _decoded(encoded: str) -> str:
    """Of a byte in one of its few spellings."""
    byte = unquote_to_bytes(encoded)
    return byte.decode("ascii") if _UNRESERVED.fullmatch(byte) else encoded.upper()


def _fits(pattern: str, path: str) -> bool:
    """True when the pattern fits the start of the path: `*` is anything, a closing `$` the end; in linear time."""
    is_whole = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for position, piece in enumerate(others, start=1):
        if is_whole and position == len(others):
            return path.endswith(piece) and len(path) - len(piece) >= at
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return not is_whole or at == len(path)
