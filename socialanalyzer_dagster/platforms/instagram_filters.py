"""What a search on Instagram can ask for (spec 5.2)."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from socialanalyzer_dagster.domain.filters import (
    SearchFilters,
    check_range,
    distinct_texts,
    policy_of,
    resolve_interests,
    split_texts,
)
from socialanalyzer_dagster.domain.outside_text import one_line
from socialanalyzer_dagster.domain.types import PlatformKey

MAX_CLAUSES = 14
"""The provider's limit, which includes the base phrase (spec 5.2)."""
Followers = Annotated[int, Field(ge=0, le=10_000_000)]
Texts = Annotated[list[str], BeforeValidator(split_texts)]


class LookalikeType(StrEnum):
    """How a similar creator is meant: same content or style, or same audience."""

    NONE = "none"
    CREATOR = "creator"
    AUDIENCE = "audience"


class ClauseAction(StrEnum):
    """How a clause joins the others."""

    AND = "AND"
    OR = "OR"
    NOT = "NOT"


class FollowerRange(BaseModel):
    """Followers of the account, both bounds included."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    min: Followers
    max: Followers

    @field_validator("max")
    @classmethod
    def _is_above_the_minimum(cls, maximum: int, info: ValidationInfo) -> int:
        check_range(info.data.get("min"), maximum)
        return maximum


class BioClause(BaseModel):
    """One phrase of the biography with AND, OR or NOT."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bio_phrase: str
    action: Annotated[ClauseAction, Field(strict=False)]

    @field_validator("bio_phrase")
    @classmethod
    def _has_text(cls, phrase: str) -> str:
        return distinct_texts([phrase], min_chars=1, max_chars=100)[0]


class InstagramFilters(SearchFilters):
    """Creators by followers, interests, hashtags, words of the biography and similarity to another creator."""

    platform_key: ClassVar[PlatformKey] = PlatformKey("instagram")

    max_results: int = Field(ge=1, le=4000, description="How many creators the provider may return and bill.")
    follower_count: FollowerRange = Field(description="Followers from min to max.")
    lookalike_type: Annotated[LookalikeType, Field(strict=False)] = Field(
        default=LookalikeType.NONE, description="creator = similar content, audience = matching audience."
    )
    lookalike_username: str | None = Field(default=None, description="The creator to resemble; needs lookalike_type.")
    creator_interests: list[str] = Field(default_factory=list, description="Interests of the creator.")
    audience_interests: list[str] = Field(default_factory=list, description="Interests of the audience.")
    hashtags: Texts = Field(default_factory=list, description="Up to 20 hashtags, with or without #.")
    bio_phrase: str = Field(default="", description="A phrase the biography must contain.")
    bio_phrase_advanced: list[BioClause] = Field(
        default_factory=list, description="Further phrases with AND, OR or NOT; at most 14 with bio_phrase."
    )

    @field_validator("creator_interests", "audience_interests")
    @classmethod
    def _are_accepted(cls, values: list[str], info: ValidationInfo) -> list[str]:
        return resolve_interests(values, policy_of(info).interests)

    @field_validator("hashtags")
    @classmethod
    def _are_hashtags(cls, values: list[str]) -> list[str]:
        tags = distinct_texts(values, min_chars=1, max_chars=100, strip="# ")
        if len(tags) > 20:
            raise ValueError(f"at most 20 hashtags, not {len(tags)}")
        return tags

    @field_validator("bio_phrase")
    @classmethod
    def _is_short(cls, phrase: str) -> str:
        if len(plain := one_line(phrase)) > 100:
            raise ValueError(f"at most 100 characters, not {len(plain)}")
        return plain

    @field_validator("lookalike_username")
    @classmethod
    def _fits_the_type(cls, name: str | None, info: ValidationInfo) -> str | None:
        handle = one_line(name or "").lstrip("@").strip().lower() or None
        if handle is not None and (" " in handle or len(handle) > 60):
            raise ValueError("must be a username without spaces")
        kind = info.data.get("lookalike_type")
        if kind is LookalikeType.NONE and handle is not None:
            raise ValueError("needs lookalike_type 'creator' or 'audience'")
        if kind in {LookalikeType.CREATOR, LookalikeType.AUDIENCE} and handle is None:
            raise ValueError(f"is required with lookalike_type '{kind}'")
        return handle

    @field_validator("bio_phrase_advanced")
    @classmethod
    def _are_few(cls, clauses: list[BioClause], info: ValidationInfo) -> list[BioClause]:
        count = len(clauses) + bool(clauses and info.data.get("bio_phrase"))
        if count > MAX_CLAUSES:
            raise ValueError(f"at most {MAX_CLAUSES} phrases in all, not {count} (bio_phrase counts)")
        return clauses

    @property
    def clauses(self) -> tuple[BioClause, ...]:
        """All phrases as clauses: the base phrase is the first AND clause; () when only or not even it is given."""
        if not self.bio_phrase_advanced:
            return ()
        base = (BioClause(bio_phrase=self.bio_phrase, action=ClauseAction.AND),) if self.bio_phrase else ()
        return (*base, *self.bio_phrase_advanced)
