"""What somebody asks for when they want a batch, and everything that can be wrong with it, told at once (I-39)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from socialanalyzer_dagster.domain.batch_fields import (
    BatchContext,
    BatchFields,
    validate_batch_fields,
    validate_search,
)
from socialanalyzer_dagster.domain.batch_keys import adhoc_slug, list_slug
from socialanalyzer_dagster.domain.creator_lists import Check, CreatorList, ListSummary
from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems, SearchFilters, fingerprint
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import JsonValue, PlatformKey, sha256_of
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.platforms.base import Platform
from socialanalyzer_dagster.platforms.list_items import placed
from socialanalyzer_dagster.storage import presets, roster
from socialanalyzer_dagster.storage.presets import Preset

MAX_REASON_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """A wanted batch: a preset, or a platform with filters, or a platform with the rows of a creator list.

    `fields` are the common fields of spec 5.1 by name; absent ones get their defaults. `max_results` stands for that of
    the filters. `confirmed` accepts any estimate: a person saw it, or a plan may spend it alone;
    `fields["confirm_estimate_micro"]` accepts exactly that one. `force_reason` allows a search that is already running.
    """

    platform: str | None = None
    preset: str | None = None
    filters: Mapping[str, object] | None = None
    creator_list: CreatorList | None = None
    max_results: int | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    stop_at_cap: bool = False
    confirmed: bool = False
    canary: int | None = None
    force_reason: str | None = None
    requested_by: str = "operator"
    day: date | None = None

    @property
    def body_hash(self) -> str:
        """What must be equal for the same idempotency key: everything but confirmations (spec 5.1)."""
        fields = {
            name: str(value)
            for name, value in sorted(self.fields.items())
            if name not in ("idempotency_key", "confirm_estimate_micro") and value is not None
        }
        rows = None if self.creator_list is None else self.creator_list.spelling
        body: JsonValue = [
            self.platform,
            self.preset,
            None if self.filters is None else repr(sorted(self.filters.items())),
            rows,
            fields,
            self.stop_at_cap,
            self.canary,
            *([] if self.max_results is None else [self.max_results]),
        ]
        return sha256_of(body)


class UnknownPreset(ValueError):
    """No preset of that name; the text lists those that exist."""

    def __init__(self, name: str, platform: str | None, known: Sequence[Preset]) -> None:
        listed = ", ".join(f"{each.platform}/{each.slug}" for each in known) or "none yet"
        where = f" on {platform}" if platform else ""
        super().__init__(f"there is no preset '{name}'{where}; presets are: {listed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRequest:
    """A request that can be carried out."""

    request: BatchRequest
    platform: Platform
    preset: Preset | None
    filters: BaseModel | None
    fields: BatchFields
    max_results: int
    list_summary: ListSummary | None
    fingerprint: str
    slug: str

    @property
    def filters_json(self) -> dict[str, JsonValue]:
        """The filters as stored."""
        return self.filters.model_dump(mode="json") if self.filters is not None else {}


def check_request(
    connection: Connection, workplace: Workplace, request: BatchRequest, policy: Policy
) -> CheckedRequest:
    """The request with all defaults.

    Raises FilterProblems with every wrong field, UnknownPreset, UnknownPlatform.
    """
    if request.creator_list is not None:
        return _checked_list(connection, workplace, request, request.creator_list, policy)
    preset = _preset(connection, request)
    platform = platform_of(workplace, (preset.platform if preset else request.platform) or "")
    raw = dict(preset.filters) if preset else dict(request.filters or {})
    raw |= {} if request.max_results is None else {"max_results": request.max_results}
    context = _context(connection, platform.key, policy, default_max_leads=1)
    problems = _own_problems(request)
    try:
        filters, fields = validate_search(filter_model_of(platform), raw, _raw_fields(request, preset), context)
    except FilterProblems as found:
        raise FilterProblems((*found.problems, *problems)) from found
    if problems:
        raise FilterProblems(problems)
    searched = fingerprint(filters, policy)
    return CheckedRequest(
        request=request,
        platform=platform,
        preset=preset,
        filters=filters,
        fields=fields,
        max_results=filters.max_results,
        list_summary=None,
        fingerprint=searched,
        slug=preset.slug if preset else adhoc_slug(searched),
    )


def platform_of(workplace: Workplace, key: str) -> Platform:
    """A platform of this installation; raises FilterProblems naming those that exist."""
    found = workplace.platforms.get(PlatformKey(key))
    if found is None:
        known = ", ".join(sorted(workplace.platforms))
        raise FilterProblems((FieldProblem("platform", f"there is no platform '{key}'; there are: {known}"),))
    return found


def placing(platform: Platform, policy: Policy, read_at: datetime) -> Check:
    """Which rows of a list name somebody on the platform."""
    return lambda row: placed(row, platform, policy, read_at)


def _checked_list(
    connection: Connection, workplace: Workplace, request: BatchRequest, listed: CreatorList, policy: Policy
) -> CheckedRequest:
    platform = platform_of(workplace, request.platform or "")
    summary = listed.summary(platform.key, placing(platform, policy, workplace.clock.now()))
    problems = _own_problems(request)
    if request.filters or request.preset:
        problems += (FieldProblem("filters", "a creator list takes no filters and no preset"),)
    if not summary.usable:
        first = "".join(f": line {row.line}: {row.reason}" for row in summary.examples[:1])
        problems += (FieldProblem("list", f"no row can be used{first}"),)
    context = _context(connection, platform.key, policy, default_max_leads=max(summary.usable, 1))
    try:
        fields = validate_batch_fields(_raw_fields(request, None), context)
    except FilterProblems as found:
        raise FilterProblems((*found.problems, *problems)) from found
    if problems:
        raise FilterProblems(problems)
    return CheckedRequest(
        request=request,
        platform=platform,
        preset=None,
        filters=None,
        fields=fields,
        max_results=summary.usable,
        list_summary=summary,
        fingerprint=summary.fingerprint,
        slug=list_slug(summary.fingerprint),
    )


def _preset(connection: Connection, request: BatchRequest) -> Preset | None:
    if request.preset is None:
        return None
    known = presets.presets(connection, request.platform)
    wanted = request.preset.lower()
    matching = [each for each in known if wanted in (each.slug, each.name.lower())]
    if len(matching) == 1:
        return matching[0]
    if matching:
        several = ", ".join(each.platform for each in matching)
        raise FilterProblems((FieldProblem("platform", f"preset '{request.preset}' exists on {several}: name one"),))
    raise UnknownPreset(request.preset, request.platform, known)


def _raw_fields(request: BatchRequest, preset: Preset | None) -> dict[str, object]:
    return {**request.fields, **({"preset_id": preset.preset_id} if preset else {})}


def filter_model_of(platform: Platform) -> type[SearchFilters]:
    """The model of a platform's filters; raises TypeError for one that searches do not understand."""
    if not issubclass(platform.filter_model, SearchFilters):
        raise TypeError(f"the filter model of {platform.key} is no SearchFilters")
    return platform.filter_model


def _context(connection: Connection, platform: PlatformKey, policy: Policy, *, default_max_leads: int) -> BatchContext:
    people = roster.roster(connection)
    return BatchContext(
        platform=platform,
        policy=policy,
        known_bdrs=frozenset(each.name for each in people),
        active_bdrs=frozenset(each.name for each in people if each.is_active),
        default_max_leads=default_max_leads,
    )


def _own_problems(request: BatchRequest) -> tuple[FieldProblem, ...]:
    problems: list[FieldProblem] = []
    if request.canary is not None and request.canary < 1:
        problems.append(FieldProblem("canary", "must be at least 1 lead"))
    reason = request.force_reason
    if reason is not None and not 0 < len(reason.strip()) <= MAX_REASON_CHARS:
        problems.append(FieldProblem("force", f"needs a reason of 1 to {MAX_REASON_CHARS} characters"))
    if request.platform is None and request.preset is None:
        problems.append(FieldProblem("platform", "name a platform or a preset"))
    return tuple(problems)
