"""Search filters: what every platform's model shares, validation with all problems at once, and the fingerprint (5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from annotated_types import Le
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo

from socialanalyzer_dagster.domain.found_text import neutral_words
from socialanalyzer_dagster.domain.outside_text import comparable, one_line
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_search import InterestsPolicy
from socialanalyzer_dagster.domain.types import JsonValue, PlatformKey, canonical_json, sha256_of

FINGERPRINT_PREFIX = "fp1:"
_NOT_HASHED = frozenset({"max_results"})


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing to correct: the dotted field name and a sentence."""

    field: str
    message: str


class FilterProblems(ValueError):
    """The input was refused; `problems` lists everything that is wrong with it (I-39)."""

    def __init__(self, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = problems


class SearchFilters(BaseModel):
    """Base of the platforms' filter models: immutable, unknown fields refused, no value converted from another type.

    Validators find the policy in the validation context: use validate_filters, not the constructor. Rules over two
    fields are validators of the later field, so that one wrong field never hides the problems of the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)
    platform_key: ClassVar[PlatformKey]

    max_results: int

    @property
    def target_place(self) -> str | None:
        """Where the creators that are searched for live, as a person wrote it; None when the search does not say."""
        return None

    @classmethod
    def most_results(cls) -> int | None:
        """The most results that one search may ask for; None where the platform names no bound."""
        bounds = [each.le for each in cls.model_fields["max_results"].metadata if isinstance(each, Le)]
        return next((int(bound) for bound in bounds if isinstance(bound, int)), None)


FiltersT = TypeVar("FiltersT", bound=SearchFilters)
ModelT = TypeVar("ModelT", bound=BaseModel)


def validate_filters(model: type[FiltersT], raw: Mapping[str, object], policy: Policy) -> FiltersT:
    """The typed filters with the policy's defaults filled in; raises FilterProblems listing every problem."""
    return validated(model, _with_defaults(model, raw, policy), {"policy": policy})


def validated(model: type[ModelT], raw: Mapping[str, object], context: Mapping[str, object]) -> ModelT:
    """The model made from raw values under a validation context; raises FilterProblems listing every problem."""
    try:
        return model.model_validate(raw, context=dict(context))
    except ValidationError as error:
        raise FilterProblems(tuple(_problem(issue) for issue in error.errors(include_url=False))) from error


def filter_defaults(platform: PlatformKey, policy: Policy) -> dict[str, JsonValue]:
    """The filter defaults of a platform as the policy states them (spec 5.2 to 5.4)."""
    return dict(policy.search.defaults.get(platform, {}))


def refilled(model: type[FiltersT], stored: Mapping[str, object], decided: Policy, policy: Policy) -> FiltersT:
    """Stored filters as another policy would fill them in: what stands at the default of then takes the new default.

    Raises FilterProblems when the other policy refuses them.
    """
    defaults = filter_defaults(model.platform_key, decided)
    given = {name: value for name, value in stored.items() if name not in defaults or value != defaults[name]}
    return validate_filters(model, given, policy)


def fingerprint(filters: SearchFilters, policy: Policy) -> str:
    """`fp1:` + SHA-256 hex of {platform, defaults_rev, filters} after the normalisation of spec 5.6.

    Two spellings of one search are equal; what only changes its size or its money is left out. An empty value counts as
    not given, except where it switches a default off ('location': '' or 'min_members': null is another search).
    """
    defaults = filter_defaults(filters.platform_key, policy)
    kept = _without_defaults(filters.model_dump(mode="json", exclude=set(_NOT_HASHED)), defaults)
    return FINGERPRINT_PREFIX + sha256_of(
        {"platform": filters.platform_key, "defaults_rev": policy.defaults_rev, "filters": kept}
    )


def policy_of(info: ValidationInfo) -> Policy:
    """The policy a validator runs under; raises TypeError outside validate_filters."""
    policy = (info.context or {}).get("policy")
    if not isinstance(policy, Policy):
        raise TypeError("filters are validated by validate_filters, which supplies the policy")
    return policy


def resolve_interests(values: list[str], interests: InterestsPolicy) -> list[str]:
    """Accepted interest values for names or aliases, distinct, in order (spec 5.5).

    Matches exactly, then by alias in any case, then by value in any case; raises ValueError naming every other one.
    """
    by_alias = {alias.casefold(): value for value, aliases in interests.values.items() for alias in aliases}
    by_value = {value.casefold(): value for value in interests.values}
    resolved: list[str] = []
    unknown: list[str] = []
    for given in values:
        plain = one_line(given)
        found = plain if plain in interests.values else by_alias.get(plain.casefold(), by_value.get(plain.casefold()))
        if found is None:
            unknown.append(given)
        else:
            resolved.append(found)
    if unknown:
        accepted = ", ".join(f"'{value}'" for value in interests.values)
        raise ValueError(f"unknown interest {', '.join(map(repr, unknown))}; accepted are {accepted}")
    return list(dict.fromkeys(resolved))


def split_texts(value: object) -> object:
    """A list as it is, comma-separated text as a list of its parts; other types are left for the type check."""
    return [part for part in (part.strip() for part in value.split(",")) if part] if isinstance(value, str) else value


def distinct_texts(values: list[str], *, min_chars: int, max_chars: int, strip: str = "") -> list[str]:
    """The texts on one line without leading `strip` characters, distinct in any case, in order.

    Raises ValueError naming every text that is too short or too long.
    """
    cleaned = [one_line(one_line(value).lstrip(strip)) for value in values]
    wrong = [value for value in cleaned if not min_chars <= len(value) <= max_chars]
    if wrong:
        raise ValueError(f"each text must have {min_chars} to {max_chars} characters, which {_shown(wrong)} has not")
    return _distinct(cleaned)


def checked_keywords(values: list[str], *, most: int) -> list[str]:
    """1 to `most` distinct keywords of 2 to 80 characters; raises ValueError with everything that is wrong.

    Without its search operators a keyword must still say something, or the vendor would be asked another question.
    """
    keywords = _distinct([one_line(value) for value in values])
    problems = [] if 1 <= len(keywords) <= most else [f"1 to {most} keywords, not {len(keywords)}"]
    if wrong := [keyword for keyword in keywords if not 2 <= len(keyword) <= 80]:
        problems.append(f"each must have 2 to 80 characters, which {_shown(wrong)} has not")
    if empty := [each for each in keywords if each not in wrong and len(neutral_words(each)) < 2]:
        problems.append(f"nothing to search for is left of {_shown(empty)} without search operators")
    if problems:
        raise ValueError("; ".join(problems))
    return keywords


def _distinct(texts: list[str]) -> list[str]:
    return list({comparable(text): text for text in reversed(texts)}.values())[::-1]


def _shown(texts: list[str]) -> str:
    return ", ".join(repr(text[:60]) for text in texts)


def check_range(minimum: int | None, maximum: int | None) -> None:
    """Raises ValueError unless min < max where both are given."""
    if minimum is not None and maximum is not None and minimum >= maximum:
        raise ValueError(f"the minimum {minimum} must be below the maximum {maximum}")


def collect_problems(*checks: Callable[[], object]) -> None:
    """Run all checks; raises one FilterProblems with the problems of all of them."""
    problems: list[FieldProblem] = []
    for check in checks:
        try:
            check()
        except FilterProblems as found:
            problems.extend(found.problems)
    if problems:
        raise FilterProblems(tuple(problems))


def _problem(issue: Mapping[str, Any]) -> FieldProblem:
    message = str(issue["msg"]).removeprefix("Value error, ")
    return FieldProblem(".".join(map(str, issue["loc"])) or "filters", message[:1].lower() + message[1:])


def _with_defaults(model: type[SearchFilters], raw: Mapping[str, object], policy: Policy) -> dict[str, object]:
    """What was given over the defaults; a range given by one bound keeps the default of the other."""
    merged: dict[str, object] = dict(filter_defaults(model.platform_key, policy))
    for name, value in raw.items():
        default = merged.get(name)
        merged[name] = {**default, **value} if isinstance(default, dict) and isinstance(value, dict) else value
    return merged


def _without_defaults(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, JsonValue]:
    kept: dict[str, JsonValue] = {}
    for name, value in values.items():
        default = _normal(defaults.get(name))
        if isinstance(value, Mapping):
            nested = _without_defaults(value, default if isinstance(default, Mapping) else {})
            if nested:
                kept[name] = nested
            continue
        normal = _normal(value)
        if normal != default and not (_is_empty(normal) and _is_empty(default)):
            kept[name] = normal
    return kept


def _normal(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return comparable(value)
    if isinstance(value, Mapping):
        return {name: _normal(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        distinct = {canonical_json(item): item for item in map(_normal, value)}
        return [distinct[text] for text in sorted(distinct)]
    return value


def _is_empty(value: object) -> bool:
    return value is None or value == "" or value == [] or value == {}
