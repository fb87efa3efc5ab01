"""Whether a policy document fits the platforms: their filters and the fixed parts of their requests (spec 4, I-39)."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ValidationError

from socialanalyzer_dagster.domain.policy import Policy, PolicyError
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.platforms.base import Platform


def check_platforms(policy: Policy, platforms: Mapping[PlatformKey, Platform]) -> Policy:
    """The policy; raises PolicyError listing everything in it that a platform could not use."""
    if problems := list(_problems(policy, platforms)):
        raise PolicyError("the policy was refused:\n" + "\n".join(f"- {problem}" for problem in problems))
    return policy


def _problems(policy: Policy, platforms: Mapping[PlatformKey, Platform]) -> Iterator[str]:
    defaults, fixed = policy.search.defaults, policy.discovery.fixed
    if missing := sorted(set(platforms) - set(defaults)):
        yield f"search.defaults lacks {', '.join(missing)}"
    if unknown := sorted(set(defaults) - set(platforms)):
        yield f"search.defaults has unknown names: {', '.join(unknown)}; known are: {', '.join(sorted(platforms))}"
    for key in (key for key in platforms if key in defaults):
        yield from _refused(f"search.defaults.{key}", platforms[key].filter_model, defaults[key], policy)
        yield from _refused(f"discovery.fixed.{key}", platforms[key].fixed_search, fixed[key], policy, is_whole=True)


def _refused(
    key: str, model: type[BaseModel], values: Mapping[str, object], policy: Policy, *, is_whole: bool = False
) -> Iterator[str]:
    """What a model says against the values; defaults need not name every field that a search must have."""
    try:
        model.model_validate(dict(values), context={"policy": policy})
    except ValidationError as error:
        for issue in error.errors(include_url=False):
            if is_whole or issue["type"] != "missing":
                field = ".".join(map(str, issue["loc"]))
                known = f"; known are: {', '.join(model.model_fields)}" if issue["type"] == "extra_forbidden" else ""
                yield f"{key}.{field}: {issue['msg']}{known}"
