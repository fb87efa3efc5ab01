"""What a search for Facebook Groups can ask for (spec 5.4)."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from socialanalyzer_dagster.domain.filters import SearchFilters, check_range, checked_keywords, split_texts
from socialanalyzer_dagster.domain.types import PlatformKey

AtLeastOne = Annotated[int, Field(ge=1)]


class Visibility(StrEnum):
    """Which groups are wanted."""

    ALL = "all"
    PUBLIC = "public"
    PRIVATE = "private"


class FacebookFilters(SearchFilters):
    """Groups by keywords, then by members, visibility and posting rate."""

    platform_key: ClassVar[PlatformKey] = PlatformKey("facebook")

    keywords: Annotated[list[str], BeforeValidator(split_texts)] = Field(
        description="1 to 5 keywords of 2 to 80 characters; each makes three search queries."
    )
    max_results: int = Field(ge=1, le=500, description="How many distinct groups to keep.")
    min_members: AtLeastOne | None = Field(description="Fewer members are rejected; unknown passes; null = off.")
    max_members: AtLeastOne | None = Field(description="More members are rejected; unknown passes; null = off.")
    visibility: Annotated[Visibility, Field(strict=False)] = Field(description="all, public or private.")
    min_posts_per_month: AtLeastOne | None = Field(default=None, description="Slower groups are rejected.")

    @field_validator("keywords")
    @classmethod
    def _are_keywords(cls, values: list[str]) -> list[str]:
        return checked_keywords(values, most=5)

    @field_validator("max_members")
    @classmethod
    def _is_above_the_minimum(cls, maximum: int | None, info: ValidationInfo) -> int | None:
        check_range(info.data.get("min_members"), maximum)
        return maximum
