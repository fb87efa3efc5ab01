"""Our own examples of good and bad fits by category, for the scoring prompt (spec 10.6)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from socialanalyzer_dagster.domain.types import sha256_of

UNKNOWN_CATEGORY = "unknown"
_LIKE_A_URL = re.compile(r"://|^www\.|/", re.IGNORECASE)


class ExamplesError(ValueError):
    """The example file cannot be used; the text lists every problem."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Example(_Part):
    """One fictional creator."""

    handle: str = Field(min_length=1)
    niche: str = Field(min_length=1)
    why: str = Field(min_length=1)
    trip_concept: str = Field(min_length=1)
    follower_count: int = Field(ge=0)
    audience: str = Field(min_length=1)
    monetization: str = Field(min_length=1)
    community: str = Field(min_length=1)

    @field_validator("handle")
    @classmethod
    def _is_no_url(cls, handle: str) -> str:
        if _LIKE_A_URL.search(handle):
            raise ValueError("must be a handle, not a URL")
        return handle


class Fits(_Part):
    """The examples of one category."""

    good_fits: tuple[Example, ...] = Field(min_length=3, max_length=3)
    bad_fits: tuple[Example, ...] = Field(min_length=2, max_length=3)


class Patterns(_Part):
    """What good and bad hosts have in common, and typical good trips."""

    good: tuple[str, ...] = Field(min_length=1)
    bad: tuple[str, ...] = Field(min_length=1)
    concepts: tuple[str, ...] = Field(min_length=1)


class CategoryExamples(_Part):
    """The whole file."""

    patterns: Patterns
    examples: Mapping[str, Fits]

    def prompt_text(self, category: str) -> str:
        """The examples of a category (none for 'unknown') and the patterns, as the score prompt shows them."""
        fits = self.examples.get(category)
        lines = [] if fits is None else list(_example_lines(fits))
        return "\n".join([*lines, *_pattern_lines(self.patterns)])


def parse_examples(text: str, categories: Iterable[str]) -> CategoryExamples:
    """Validate an example file against the category keys; 'unknown' has no examples.

    Raises ExamplesError for bad YAML, a missing or unlisted category, a wrong number of examples, a handle that occurs
    twice, and a URL as handle.
    """
    try:
        examples = CategoryExamples.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ExamplesError(f"the category examples are not YAML: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, issue['loc'])) or 'file'}: {issue['msg']}" for issue in error.errors()]
        raise ExamplesError(_refusal(problems)) from error
    if problems := [*_category_problems(examples, set(categories)), *_repeated_handles(examples)]:
        raise ExamplesError(_refusal(problems))
    return examples


def shipped_examples(categories: Iterable[str]) -> CategoryExamples:
    """The example file of the package."""
    return _parsed(_shipped_text(), frozenset(categories))


def shipped_examples_digest() -> str:
    """SHA-256 of the shipped file's content; part of the policy's digest (spec 4)."""
    return sha256_of(_shipped_text())


@lru_cache(maxsize=8)
def _parsed(text: str, categories: frozenset[str]) -> CategoryExamples:
    return parse_examples(text, categories)


@lru_cache(maxsize=1)
def _shipped_text() -> str:
    file = resources.files("socialanalyzer_dagster.domain") / "policies" / "category_examples.yaml"
    return file.read_text(encoding="utf-8")


def _refusal(problems: Iterable[str]) -> str:
    return "the category examples were refused:\n" + "\n".join(f"- {problem}" for problem in problems)


def _category_problems(examples: CategoryExamples, categories: set[str]) -> Iterator[str]:
    wanted = categories - {UNKNOWN_CATEGORY}
    if missing := sorted(wanted - set(examples.examples)):
        yield f"examples: missing categories: {', '.join(missing)}"
    if unlisted := sorted(set(examples.examples) - wanted):
        yield f"examples: not in categories.labels, or without examples by rule: {', '.join(unlisted)}"


def _repeated_handles(examples: CategoryExamples) -> Iterator[str]:
    seen: set[str] = set()
    for fits in examples.examples.values():
        for example in (*fits.good_fits, *fits.bad_fits):
            folded = example.handle.casefold().lstrip("@")
            if folded in seen:
                yield f"handle '{example.handle}' occurs twice"
            seen.add(folded)


def _example_lines(fits: Fits) -> Iterator[str]:
    yield "Examples of good fits in this category (invented):"
    for example in fits.good_fits:
        yield f"- {example.handle}: {example.niche}. {example.why} Possible trip: {example.trip_concept}."
    yield "Examples of bad fits in this category (invented):"
    for example in fits.bad_fits:
        yield f"- {example.handle}: {example.niche}. {example.why}"


def _pattern_lines(patterns: Patterns) -> Iterator[str]:
    yield f"Common to good fits: {'; '.join(patterns.good)}."
    yield f"Common to bad fits: {'; '.join(patterns.bad)}."
    yield f"Typical trips: {'; '.join(patterns.concepts)}."
