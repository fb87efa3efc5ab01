"""Checks a model's answer against its schema: a parsed judgement, or the list of what is wrong with it (spec 9.1)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import ValidationError

from socialanalyzer_dagster.domain.judgement_fields import AnswerContext, AnswerRules, Judgement
from socialanalyzer_dagster.domain.sensitive import SensitiveWords, sensitive_kinds
from socialanalyzer_dagster.domain.strict_schemas import strict_schema
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, canonical_json

J = TypeVar("J", bound=Judgement)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSchema(Generic[J]):
    """The named shape of one answer; `shown` is how many items or thumbnails the model sees.

    `scan` holds the words for the scan for sensitive attributes, None where names are the answer; `names` are the
    person's own names, which the scan leaves out; `facts` are the sentences that an answer retells.
    """

    name: str
    model: type[J]
    rules: AnswerRules
    shown: int
    scan: SensitiveWords | None
    names: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def json_schema(self) -> JsonObject:
        """The strict JSON schema: all properties required, nothing else allowed, optional = nullable."""
        return strict_schema(self.model, self.rules)


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: where in the answer ('' = the whole), its kind, and a sentence without the answer's values."""

    where: str
    kind: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}" if self.where else self.problem


@dataclass(frozen=True, slots=True)
class InvalidAnswer:
    """An answer that cannot be used, with every rule it breaks."""

    violations: tuple[Violation, ...] = field()

    def __str__(self) -> str:
        return "; ".join(map(str, self.violations))


def check_answer(schema: AnswerSchema[J], answer: str | JsonObject) -> J | InvalidAnswer:
    """The judgement, or what is wrong; `answer` is the model's text or the JSON of it (spec 9.1, I-5)."""
    text = answer if isinstance(answer, str) else _as_text(answer)
    context = AnswerContext(schema.rules, schema.shown, schema.facts)
    try:
        judgement = schema.model.model_validate_json(text, context=context)
    except ValidationError as error:
        return InvalidAnswer(tuple(_violations(error)))
    problems = tuple(_sensitive(schema, judgement))
    return InvalidAnswer(problems) if problems else judgement


def _as_text(answer: JsonObject) -> str:
    try:
        return canonical_json(answer)
    except ValueError:
        return ""


def _violations(error: ValidationError) -> Iterator[Violation]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        kind, where = problem["type"], list(map(str, problem["loc"]))
        if kind == "json_invalid":
            yield Violation("", kind, "the answer is not a complete JSON object")
        elif kind == "extra_forbidden":  # the key is the model's own word and is not repeated
            yield Violation(".".join(where[:-1]), kind, "holds a key that the schema does not have")
        else:
            yield Violation(".".join(where), kind, problem["msg"].removeprefix("Value error, "))


def _sensitive(schema: AnswerSchema[J], judgement: J) -> Iterator[Violation]:
    if schema.scan is None:
        return
    for where, text in _texts(judgement.model_dump(mode="json", exclude={"quotes"})):
        for kind in sensitive_kinds(text, schema.scan, names=schema.names):
            yield Violation(where, "sensitive_attribute", f"must not say anything about the {kind} of a person")


def _texts(value: JsonValue, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{where}.{key}" if where else key)
    elif isinstance(value, Sequence):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{where}.{index}")
