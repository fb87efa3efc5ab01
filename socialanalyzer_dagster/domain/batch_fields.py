"""The fields every new batch has beside its filters: people, money, size and references (spec 5.1)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from socialanalyzer_dagster.domain.filters import FiltersT, collect_problems, validate_filters, validated
from socialanalyzer_dagster.domain.outside_text import one_line
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import PlatformKey

MAX_LEADS = 4000
MAX_NOTE_CHARS = 500


def _exact_amount(value: object) -> object:
    """Numbers become decimals as they are written; text is refused, however much it looks like an amount."""
    if isinstance(value, str):
        raise ValueError("must be a number of USD, not text")  # noqa: TRY004 - pydantic reports ValueError
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    return value


Usd = Annotated[Decimal, BeforeValidator(_exact_amount)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchContext:
    """What the fields are checked against; `default_max_leads` is max_results, or the usable rows of a list."""

    platform: PlatformKey
    policy: Policy
    known_bdrs: Collection[str]
    active_bdrs: Collection[str]
    default_max_leads: int


class BatchFields(BaseModel):
    """Validated common fields with their defaults filled in; use validate_batch_fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bdr_names: list[str]
    max_budget_usd: Usd = Field(gt=0, allow_inf_nan=False)
    max_leads: int = Field(ge=1, le=MAX_LEADS)
    confirm_estimate_micro: int | None = Field(default=None, ge=0)
    preset_id: str | None = None
    parent_batch_id: str | None = None
    note: str | None = Field(default=None, max_length=MAX_NOTE_CHARS)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=80)

    @field_validator("bdr_names")
    @classmethod
    def _are_known_and_active(cls, names: list[str], info: ValidationInfo) -> list[str]:
        context = _context(info)
        chosen = list(dict.fromkeys(one_line(name) for name in names))
        if not chosen and context.active_bdrs:
            raise ValueError("name at least one BDR, or leave the field out to use all active ones")
        unknown = [name for name in chosen if name not in context.known_bdrs]
        inactive = [name for name in chosen if name in context.known_bdrs and name not in context.active_bdrs]
        if unknown or inactive:
            told = [f"'{name}' is not on the roster" for name in unknown] + [
                f"'{name}' is not active" for name in inactive
            ]
            raise ValueError(f"{'; '.join(told)}; active are {', '.join(sorted(context.active_bdrs)) or 'none'}")
        return chosen

    @field_validator("max_budget_usd")
    @classmethod
    def _stays_below_the_absolute_maximum(cls, usd: Decimal, info: ValidationInfo) -> Decimal:
        highest = _context(info).policy.budgets.batch_absolute_usd
        if usd > highest:
            raise ValueError(f"at most {highest} USD per batch")
        return usd


def validate_batch_fields(raw: Mapping[str, object], context: BatchContext) -> BatchFields:
    """The fields with defaults (all active BDRs, the platform's budget, all results); raises FilterProblems."""
    defaults: dict[str, object] = {
        "bdr_names": sorted(context.active_bdrs),
        "max_budget_usd": context.policy.budgets.batch_default_usd.get(context.platform),
        "max_leads": min(context.default_max_leads, MAX_LEADS),
    }
    given = {name: value for name, value in raw.items() if value is not None or name not in defaults}
    return validated(BatchFields, {**defaults, **given}, {"batch": context})


def validate_search(
    model: type[FiltersT], raw_filters: Mapping[str, object], raw_fields: Mapping[str, object], context: BatchContext
) -> tuple[FiltersT, BatchFields]:
    """Filters and batch fields of a search; raises one FilterProblems with the problems of both (I-39)."""
    collect_problems(
        lambda: validate_filters(model, raw_filters, context.policy),
        lambda: validate_batch_fields(raw_fields, context),
    )
    filters = validate_filters(model, raw_filters, context.policy)
    return filters, validate_batch_fields(raw_fields, _sized(context, filters.max_results))


def _sized(context: BatchContext, max_results: int) -> BatchContext:
    return BatchContext(
        platform=context.platform,
        policy=context.policy,
        known_bdrs=context.known_bdrs,
        active_bdrs=context.active_bdrs,
        default_max_leads=max_results,
    )


def _context(info: ValidationInfo) -> BatchContext:
    context = (info.context or {}).get("batch")
    if not isinstance(context, BatchContext):
        raise TypeError("batch fields are validated by validate_batch_fields, which supplies the roster")
    return context
