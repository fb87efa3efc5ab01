"""What sections of a policy document must say about each other: names that exist, and every name that is needed (4)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from socialanalyzer_dagster.domain.operations import OPERATIONS
from socialanalyzer_dagster.domain.outcomes import PROFILES, TOPICS
from socialanalyzer_dagster.domain.policy_judgement import PROMPT_IDS, ModelsPolicy
from socialanalyzer_dagster.domain.policy_search import PAGE_STEPS, SEARCH_STEPS, STEP_LETTERS
from socialanalyzer_dagster.domain.types import STAGES, Stage

if TYPE_CHECKING:
    from socialanalyzer_dagster.domain.policy import Policy

_MODEL_VENDOR = "openai"
_PARTS = ("input", "cached_input", "output")
_START_FEES = frozenset({"apify.leads_finder.start"})
_LEAD_STAGES = (Stage.SCREENED, Stage.ENRICHED, Stage.ANALYZED, Stage.SCORED)
_PAID_STAGES = tuple(stage for stage in STAGES if stage is not Stage.SYNCED)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names that one key of the document holds, those there are, and those it must hold."""

    key: str
    given: Iterable[str]
    known: Iterable[str]
    needed: Iterable[str] = ()

    def problems(self) -> Iterator[str]:
        given, known = set(self.given), sorted(set(self.known))
        if missing := sorted(set(self.needed) - given):
            yield f"{self.key} lacks {', '.join(missing)}"
        if unknown := sorted(given - set(known)):
            yield f"{self.key} has unknown names: {', '.join(unknown)}; known are: {', '.join(known) or 'none'}"


def missing_names(policy: "Policy") -> list[str]:
    """What no version of a policy can do without: limits, prompts and prices of what is called."""
    needed = (
        _Names("limits.buckets", policy.limits.buckets, policy.limits.buckets, _buckets()),
        _Names("prompts", policy.prompts, policy.prompts, PROMPT_IDS),
        _Names("prices", policy.prices, policy.prices, _priced(policy.models)),
        *_judgement_names(policy),
    )
    return [problem for names in needed for problem in names.problems()]


def unusable_names(policy: "Policy") -> list[str]:
    """Names that nothing would ever read, and names that are needed as soon as a platform runs.

    The platforms of a document are those of `search.defaults`: every other section speaks of the same ones.
    """
    names = (*_platform_names(policy), *_step_names(policy), *_vendor_names(policy), *_stage_names(policy))
    return [problem for each in names for problem in each.problems()]


def unusable_values(policy: "Policy") -> list[str]:
    """Values that no batch may run under, although documents of before may be read with them."""
    if policy.retries.reissue_lost > 1:
        return ["retries.reissue_lost must be 0 or 1: a lost paid call is sent again at most once without a person"]
    return []


def _judgement_names(policy: "Policy") -> Iterator[_Names]:
    screening = policy.screening
    yield _Names("cache.reuse_days", policy.cache.reuse_days, OPERATIONS)
    yield _Names("scoring.penalties", policy.scoring.penalties, policy.categories.labels)
    yield _Names("screening.reject_topics", screening.reject_topics, TOPICS)
    yield _Names("screening.reject_profiles", screening.reject_profiles, PROFILES)
    yield _Names("crm.community_labels", policy.crm.community_labels, policy.analysis.community_platforms)


def _platform_names(policy: "Policy") -> Iterator[_Names]:
    platforms = policy.search.defaults
    complete: Mapping[str, Iterable[str]] = {
        "discovery.fixed": policy.discovery.fixed,
        "enrichment.steps": policy.enrichment.steps,
        "budgets.batch_default_usd": policy.budgets.batch_default_usd,
        "estimate.stage_usd": policy.estimate.stage_usd,
        "crm.constants": policy.crm.constants,
    }
    for key, given in complete.items():
        yield _Names(key, given, platforms, platforms)
    yield _Names("scoring.weights_by_platform", policy.scoring.weights_by_platform, platforms)
    yield _Names("scoring.travel_floor", policy.scoring.travel_floor, platforms)
    yield _Names("rules.ladders", policy.rules.ladders, platforms)


def _step_names(policy: "Policy") -> Iterator[_Names]:
    enrichment = policy.enrichment
    for platform, letters in enrichment.steps.items():
        yield _Names(f"enrichment.steps.{platform}", letters, STEP_LETTERS)
    yield _Names("enrichment.page_steps", enrichment.page_steps, PAGE_STEPS, PAGE_STEPS)
    yield _Names("enrichment.search_steps", enrichment.search_steps, SEARCH_STEPS, SEARCH_STEPS)


def _vendor_names(policy: "Policy") -> Iterator[_Names]:
    buckets = policy.limits.buckets
    shared = {limit.within for limit in buckets.values() if limit.within is not None}
    paid = {operation.vendor for operation in OPERATIONS.values() if operation.spends}
    models = policy.models
    yield _Names("limits.buckets", buckets, _buckets() | shared)
    yield _Names("limits.tokens", [each.model for each in policy.limits.tokens], _asked(models))
    yield _Names("prices", policy.prices, _priced(models) | _START_FEES, _START_FEES)
    yield _Names("budgets.provider_month_usd", policy.budgets.provider_month_usd, paid)
    yield _Names("breakers.services", policy.breakers.services, {each.vendor for each in OPERATIONS.values()})


def _stage_names(policy: "Policy") -> Iterator[_Names]:
    for platform, prices in policy.estimate.stage_usd.items():
        yield _Names(f"estimate.stage_usd.{platform}", prices, _PAID_STAGES, _PAID_STAGES)
    yield _Names("estimate.pass_rates", policy.estimate.pass_rates, _PAID_STAGES)
    yield _Names("limits.leads_in_work", policy.limits.leads_in_work, _LEAD_STAGES, _LEAD_STAGES)


def _buckets() -> set[str]:
    return {operation.bucket for operation in OPERATIONS.values()}


def _asked(models: ModelsPolicy) -> set[str]:
    return {models.vision, models.text, models.small}


def _priced(models: ModelsPolicy) -> set[str]:
    """What must have a price: every spending operation, and for model calls the tokens or minutes of each model."""
    own = {key for key, each in OPERATIONS.items() if each.spends and each.vendor != _MODEL_VENDOR}
    tokens = {f"{_MODEL_VENDOR}.{model}.{part}" for model in _asked(models) for part in _PARTS}
    return own | tokens | {f"{_MODEL_VENDOR}.{models.transcription}"}
