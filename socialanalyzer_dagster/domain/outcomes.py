"""What can become of a lead at a stage: the closed list of results and reason codes (spec 2.2, 2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from socialanalyzer_dagster.domain.types import JsonValue, Stage


class Result(StrEnum):
    """Passed goes on; rejected and failed end the lead's way in the batch; skipped was not attempted."""

    PASSED = "passed"
    REJECTED = "rejected"
    FAILED = "failed"
    SKIPPED = "skipped"


class StepState(StrEnum):
    """Result of one step inside a stage; not an outcome (spec 2.2)."""

    FILLED = "filled"
    NOTHING_FOUND = "nothing_found"
    NOT_NEEDED = "not_needed"
    NOT_CONFIGURED = "not_configured"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    ERROR = "error"


class ItemResult(StrEnum):
    """What became of one raw discovery result (spec 2.3)."""

    LEAD = "lead"
    DUPLICATE_IN_BATCH = "duplicate_in_batch"
    SUPPRESSED = "suppressed"
    MALFORMED_ITEM = "malformed_item"
    NO_IDENTITY = "no_identity"
    OVER_MAX_RESULTS = "over_max_results"


TOPICS = (
    "golf", "biking", "motorcycles", "driving_cars_racing", "competitive_team_sports", "snow_sports",
    "athlete_water_sports", "hunting", "family_travel",
)  # fmt: skip
PROFILES = (
    "brand_no_person", "meme_aggregator", "repost_only", "explicit_offensive", "firearms", "news_media",
    "possible_minor", "non_english",
)  # fmt: skip
TRIAGE_CODES: tuple[str, ...] = (*(f"topic_{name}" for name in TOPICS), *(f"profile_{name}" for name in PROFILES))

_UPSTREAM = frozenset({"upstream_rejected", "upstream_failed", "upstream_skipped"})
_SKIPPED = _UPSTREAM | {
    "batch_stopped", "budget_stopped", "gate_rejected", "gate_timeout", "over_lead_cap", "provider_unavailable",
}  # fmt: skip
_FAILED = frozenset({"internal_error", "outcome_unknown"})
_JUDGED = frozenset({"llm_invalid_output", "llm_refused"})

REJECTED: Mapping[Stage, frozenset[str]] = {
    Stage.DISCOVERED: frozenset({"known_recent", "claimed_by_other_batch", "already_in_crm"}),
    Stage.SCREENED: frozenset({
        "no_content", "no_unpinned_content", "inactive", "posting_gap", "nsfw", "patrons_below_min",
        "patrons_above_max", "posts_below_min", "members_below_min", "members_above_max", "visibility_mismatch",
        "posting_rate_below_min", "private_account", "suppressed", *TRIAGE_CODES,
    }),
    Stage.ENRICHED: frozenset({"no_email", "email_invalid", "email_disposable", "already_in_crm", "suppressed"}),
    Stage.ANALYZED: frozenset({"suppressed", "profile_possible_minor"}),
    Stage.SCORED: frozenset({"below_min_score", "suppressed"}),
    Stage.SYNCED: frozenset({
        "excluded_by_approver", "suppressed", "email_invalid", "email_disposable", "already_in_crm",
        "outreach_not_allowed", "crm_refused",
    }),
}  # fmt: skip
FAILED: Mapping[Stage, frozenset[str]] = {
    Stage.DISCOVERED: frozenset({"internal_error"}),
    Stage.SCREENED: _FAILED | _JUDGED | {"content_fetch_error", "content_not_known", "dates_unreadable"},
    Stage.ENRICHED: _FAILED | {"no_content_items"},
    Stage.ANALYZED: _FAILED | _JUDGED | {"all_items_failed", "evidence_incomplete", "media_unavailable"},
    Stage.SCORED: _FAILED | _JUDGED | {"score_missing", "score_out_of_range", "evidence_mismatch"},
    Stage.SYNCED: _FAILED | {"crm_error", "crm_outcome_unknown", "plan_changed"},
}
HELD = frozenset({
    "held_no_bdr", "held_no_email", "held_email_unverified", "held_notice_plan", "held_lawful_basis", "gate_timeout",
})  # fmt: skip
SKIPPED: Mapping[Stage, frozenset[str]] = {
    **dict.fromkeys(Stage, _SKIPPED),
    Stage.DISCOVERED: frozenset({"batch_stopped"}),
    Stage.SYNCED: _SKIPPED | HELD,
}
PASSED: Mapping[Stage, frozenset[str]] = {Stage.SYNCED: frozenset({"created", "updated", "unchanged"})}

_RETRYABLE_FAILURES = frozenset({
    "internal_error", "llm_invalid_output", "content_fetch_error", "content_not_known", "all_items_failed",
    "evidence_incomplete", "media_unavailable", "score_missing", "score_out_of_range", "crm_error",
    "crm_outcome_unknown", "plan_changed",
})  # fmt: skip
_REATTEMPTED_SKIPS = frozenset({"budget_stopped", "provider_unavailable", "batch_stopped"}) | HELD
ATTEMPTED_AGAIN = _RETRYABLE_FAILURES | _REATTEMPTED_SKIPS
"""Codes of leads that a retry of the batch does again."""
OF_FILTERS = frozenset({
    "patrons_below_min", "patrons_above_max", "posts_below_min", "members_below_min", "members_above_max",
    "visibility_mismatch", "posting_rate_below_min",
})  # fmt: skip
"""Rejections by the filters of one search, which say nothing about the lead under other ones."""
GOES_ON = frozenset({(Stage.ENRICHED, "provider_unavailable")})
"""Skipped codes that do not end the lead's way: marked G in spec 2.3."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one lead at one stage; `detail` is typed JSON, never exception text.

    Raises ValueError for a code that spec 2.3 does not list for the stage: that is a programming error.
    """

    stage: Stage
    result: Result
    code: str | None = None
    detail: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.code not in allowed_codes(self.stage, self.result):
            raise ValueError(f"{self.code!r} is not a {self.result} code of {self.stage}")

    @property
    def retryable(self) -> bool:
        """True when running the stage again attempts this lead again by itself (spec 2.2)."""
        if self.result is Result.FAILED:
            return self.code in _RETRYABLE_FAILURES
        return self.result is Result.SKIPPED and self.code in _REATTEMPTED_SKIPS

    @property
    def goes_on(self) -> bool:
        """True when the lead enters the next stage."""
        return self.result is Result.PASSED or (self.stage, self.code) in GOES_ON


def allowed_codes(stage: Stage, result: Result) -> frozenset[str | None]:
    """The closed enum of one stage and result; passed carries no code before synced."""
    tables = {Result.REJECTED: REJECTED, Result.FAILED: FAILED, Result.SKIPPED: SKIPPED}
    if result is Result.PASSED:
        return frozenset(PASSED.get(stage, frozenset({None})))
    return frozenset(tables[result][stage])


def passed(stage: Stage, **detail: JsonValue) -> Outcome:
    """Suitable so far."""
    return Outcome(stage, Result.PASSED, None, detail)


def rejected(stage: Stage, code: str, **detail: JsonValue) -> Outcome:
    """Judged unsuitable: a correct result with its reason."""
    return Outcome(stage, Result.REJECTED, code, detail)


def failed(stage: Stage, code: str, **detail: JsonValue) -> Outcome:
    """No judgement could be made."""
    return Outcome(stage, Result.FAILED, code, detail)


def skipped(stage: Stage, code: str, **detail: JsonValue) -> Outcome:
    """Not attempted."""
    return Outcome(stage, Result.SKIPPED, code, detail)
