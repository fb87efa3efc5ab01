"""The versioned policy document: every threshold, weight, price, limit and prompt of the pipeline (spec 4)."""

from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Self, cast

import yaml
from pydantic import Field, ValidationError, ValidationInfo, model_validator

from socialanalyzer_dagster.domain.category_examples import shipped_examples, shipped_examples_digest
from socialanalyzer_dagster.domain.policy_automation import RulesPolicy
from socialanalyzer_dagster.domain.policy_crm import (
    CrmPolicy,
    EscalationPolicy,
    GatesPolicy,
    OutreachPolicy,
    PrivacyPolicy,
    RetentionPolicy,
    RuntimePolicy,
    WarningsPolicy,
)
from socialanalyzer_dagster.domain.policy_judgement import (
    AnalysisPolicy,
    CategoriesPolicy,
    LlmPolicy,
    ModelsPolicy,
    Prompt,
    ScoringPolicy,
    TiersPolicy,
)
from socialanalyzer_dagster.domain.policy_metrics import MetricsPolicy, RecurringPolicy, TargetsPolicy
from socialanalyzer_dagster.domain.policy_money import (
    BreakersPolicy,
    BudgetsPolicy,
    CachePolicy,
    EstimatePolicy,
    HealthPolicy,
    LimitsPolicy,
    Price,
    PriceDriftPolicy,
    RetriesPolicy,
)
from socialanalyzer_dagster.domain.policy_notifications import NotificationsPolicy
from socialanalyzer_dagster.domain.policy_rules import missing_names, unusable_names, unusable_values
from socialanalyzer_dagster.domain.policy_search import (
    DiscoveryPolicy,
    EmailsPolicy,
    EnrichmentPolicy,
    HostsPolicy,
    InterestsPolicy,
    NoveltyPolicy,
    Positive,
    ScreeningPolicy,
    SearchPolicy,
    Section,
    SimilarityPolicy,
)
from socialanalyzer_dagster.domain.policy_upgrades import upgraded
from socialanalyzer_dagster.domain.types import sha256_of

DEFAULT_POLICY = "default.yaml"
INSTANT_POLICY = "sandbox_instant.yaml"
_STORED = {"is_stored": True}


class PolicyError(ValueError):
    """The document cannot be used; the text lists every problem with its key path."""


class Policy(Section):
    """One immutable version of the policy document."""

    policy_version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    defaults_rev: Positive
    models: ModelsPolicy
    prompts: Mapping[str, Prompt]
    llm: LlmPolicy
    search: SearchPolicy
    interests: InterestsPolicy
    novelty: NoveltyPolicy
    similarity: SimilarityPolicy
    discovery: DiscoveryPolicy
    screening: ScreeningPolicy
    enrichment: EnrichmentPolicy
    hosts: HostsPolicy
    emails: EmailsPolicy
    analysis: AnalysisPolicy
    categories: CategoriesPolicy
    scoring: ScoringPolicy
    tiers: TiersPolicy
    crm: CrmPolicy
    prices: Mapping[str, Price]
    price_drift: PriceDriftPolicy
    budgets: BudgetsPolicy
    estimate: EstimatePolicy
    cache: CachePolicy
    limits: LimitsPolicy
    breakers: BreakersPolicy
    health: HealthPolicy
    retries: RetriesPolicy
    metrics: MetricsPolicy
    targets: TargetsPolicy
    recurring: RecurringPolicy
    warnings: WarningsPolicy
    gates: GatesPolicy
    escalation: EscalationPolicy
    notifications: NotificationsPolicy
    privacy: PrivacyPolicy
    outreach: OutreachPolicy
    retention: RetentionPolicy
    runtime: RuntimePolicy
    rules: RulesPolicy

    @model_validator(mode="after")
    def _is_complete(self, info: ValidationInfo) -> "Policy":
        is_new = info.context != _STORED
        unusable = [*unusable_names(self), *unusable_values(self)] if is_new else []
        if problems := [*missing_names(self), *unusable]:
            raise ValueError("\n- ".join(problems))
        shipped_examples(self.categories.labels)
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the document and the category examples; pinned by every batch, outcome and score (spec 4)."""
        return sha256_of({"policy": self.document(), "category_examples": shipped_examples_digest()})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, changed in some sections, which has a digest of its own."""
        copied = super().model_copy(update=update, deep=deep)
        vars(copied).pop("digest", None)
        return copied

    def document(self) -> dict[str, Any]:
        """The JSON form that is stored and hashed."""
        return self.model_dump(mode="json")


def parse_policy(document: Mapping[str, Any]) -> Policy:
    """Validate a document, of an earlier version too (it gets the keys that came since, as the package ships them).

    Raises PolicyError naming every unknown key, wrong type and broken rule.
    """
    return _parsed(document, None)


def stored_policy(document: Mapping[str, Any]) -> Policy:
    """A policy that a database holds, as an earlier version of the package may have stored it.

    Names that nothing reads do no harm there: what was accepted once, and batches and scores pin, stays readable.
    """
    return _parsed(document, _STORED)


def _parsed(document: Mapping[str, Any], context: Mapping[str, bool] | None) -> Policy:
    whole = _in_order(upgraded(document, _shipped_document(DEFAULT_POLICY)))
    try:
        return Policy.model_validate(whole, context=context)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, issue['loc'])) or 'policy'}: {issue['msg']}" for issue in error.errors()]
        raise PolicyError("the policy was refused:\n" + "\n".join(f"- {problem}" for problem in problems)) from error


def _in_order(value: object) -> object:
    """The same mappings in the order of their names, whatever order a file or a database engine had them in.

    Prompts list names in the order of the policy, so the same version asks the same question everywhere.
    """
    if isinstance(value, Mapping):
        return {key: _in_order(value[key]) for key in sorted(value, key=str)}
    return [_in_order(each) for each in value] if isinstance(value, list | tuple) else value


def read_policy_file(path: Path) -> Policy:
    """A policy YAML file; raises PolicyError when it is no YAML mapping or does not validate."""
    return _from_text(path.read_text(encoding="utf-8"), str(path))


@cache
def shipped_policy(name: str = DEFAULT_POLICY) -> Policy:
    """A policy of the package: the default, or the one for the instant sandbox (spec 4)."""
    return parse_policy(_shipped_document(name))


@cache
def _shipped_document(name: str) -> Mapping[str, Any]:
    text = (resources.files("socialanalyzer_dagster.domain") / "policies" / name).read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    if name != DEFAULT_POLICY:
        document = _overlay(_shipped_document(DEFAULT_POLICY), document)
    return cast("Mapping[str, Any]", document)


def _overlay(base: object, over: object) -> object:
    if isinstance(base, dict) and isinstance(over, dict):
        return {key: _overlay(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}
    return over


def _from_text(text: str, source: str) -> Policy:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolicyError(f"{source} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise PolicyError(f"{source} must be a mapping of policy sections")
    return parse_policy(document)
