"""Bringing a policy document of an earlier version to the keys that this version of the package reads (spec 4)."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Step:
    """What one policy version brought and took away; a path is given key by key, because price keys hold dots.

    `removed` lists keys that nothing reads any more; a `*` stands for every key there.
    """

    version: str
    added: tuple[tuple[str, ...], ...] = ()
    removed: tuple[tuple[str, ...], ...] = ()


STEPS = (
    Step(
        "1.1.0",
        added=(
            ("analysis", "mode"),
            ("analysis", "model_batch"),
            ("breakers",),
            ("crm", "deleted_contact"),
            ("crm", "opt_out_property"),
            ("crm", "outcomes"),
            ("crm", "ownership"),
            ("crm", "plan_hours"),
            ("crm", "plans_by_itself"),
            ("crm", "portal_time_zone"),
            ("crm", "retry_minutes"),
            ("crm", "webhook_enabled"),
            ("health",),
            ("limits", "buckets", "hubspot_write", "within"),
            ("limits", "hold_seconds"),
            ("limits", "lease_seconds"),
            ("limits", "slow_below"),
            ("limits", "tokens"),
            ("llm", "keyword_ideas"),
            ("llm", "keywords_shown"),
            ("prompts", "keyword_ideas_v1"),
            ("retention",),
        ),
    ),
    Step("1.2.0", removed=(("search", "defaults", "*", "max_budget_usd"),)),
    Step(
        "1.3.0",
        added=(
            ("escalation",),
            ("gates", "expiry_hours"),
            ("gates", "reminder_hours"),
            ("llm", "polish_summaries"),
            ("metrics",),
            ("notifications",),
            ("price_drift",),
            ("prompts", "batch_story_v1"),
            ("recurring",),
            ("rules",),
            ("targets",),
            ("warnings", "low_enriched"),
        ),
    ),
)


def upgraded(
    document: Mapping[str, Any], shipped: Mapping[str, Any], steps: Sequence[Step] = STEPS
) -> Mapping[str, Any]:
    """The document with every key that versions after its own brought, at the value the package ships.

    What the document says itself stays as it is, except for keys that nothing reads any more. A document of the newest
    version, or one without a readable version, is returned unchanged: validation says what it lacks.
    """
    own = _number(document.get("policy_version"))
    later = [step for step in steps if own is not None and own < (_number(step.version) or ())]
    if not later:
        return document
    result = deepcopy(dict(document))
    for path in (path for step in later for path in step.added):
        _put(result, path, shipped)
    for path in (path for step in later for path in step.removed):
        _drop(result, path)
    return result | {"policy_version": later[-1].version}


def _number(version: object) -> tuple[int, ...] | None:
    try:
        return tuple(int(part) for part in str(version).split("."))
    except ValueError:
        return None


def _put(document: dict[str, Any], path: tuple[str, ...], shipped: Mapping[str, Any]) -> None:
    """Copy one value unless it stands there; a parent that is no mapping is left to validation."""
    *parents, last = path
    here: Any = document
    source: Any = shipped
    for key in parents:
        source = source[key]
        here = here.setdefault(key, {})
        if not isinstance(here, dict):
            return
    cast("dict[str, Any]", here).setdefault(last, deepcopy(source[last]))


def _drop(document: object, path: tuple[str, ...]) -> None:
    """Take one key out wherever it stands; what is no mapping is left to validation."""
    if not isinstance(document, dict):
        return
    first, *rest = path
    if not rest:
        document.pop(first, None)
        return
    for key in list(document) if first == "*" else [first]:
        _drop(document.get(key), tuple(rest))
