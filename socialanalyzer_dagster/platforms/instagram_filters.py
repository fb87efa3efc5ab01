"""What a search on Instagram can ask for (spec 5.2)."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

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

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        check_range(self.min, self.max)
        return self


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
    creator_interests: Texts = Field(default_factory=list, description="Interests of the creator (values or aliases).")
    audience_interests: Texts = Field(default_factory=list, description="Interests of the audience.")
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
    def _is_a_handle(cls, name: str | None) -> str | None:
        handle = one_line(name or "").lstrip("@").strip().lower()
        if " " in handle or len(handle) > 60:
            raise ValueError("must be a username without spaces")
        return handle or None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.lookalike_type is LookalikeType.NONE and self.lookalike_username is not None:
            raise ValueError("lookalike_username needs lookalike_type 'creator' or 'audience'")
        if self.lookalike_type is not LookalikeType.NONE and self.lookalike_username is None:
            raise ValueError(f"lookalike_type '{self.lookalike_type}' needs a lookalike_username")
        if len(self.clauses) > MAX_CLAUSES:
            raise ValueError(f"at most {MAX_CLAUSES} phrases in all, not {len(self.clauses)} (bio_phrase counts)")
        return self

    @property
    def clauses(self) -> tuple[BioClause, ...]:
        """All phrases as clauses: the base phrase is the first AND clause; () when only or not even it is given."""
        if not self.bio_phrase_advanced:
            return ()
        base = (BioClause(bio_phrase=self.bio_phrase, action=ClauseAction.AND),) if self.bio_phrase else ()
        return (*base, *self.bio_phrase_advanced)
