"""What a search on Patreon can ask for (spec 5.3)."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from socialanalyzer_dagster.domain.filters import SearchFilters, check_range, checked_keywords, split_texts
from socialanalyzer_dagster.domain.outside_text import one_line
from socialanalyzer_dagster.domain.types import PlatformKey

AtLeastOne = Annotated[int, Field(ge=1)]


class PatreonFilters(SearchFilters):
    """Creators by keywords and place, then by patrons and posts."""

    platform_key: ClassVar[PlatformKey] = PlatformKey("patreon")

    search_keywords: Annotated[list[str], BeforeValidator(split_texts)] = Field(
        description="1 to 20 keywords of 2 to 80 characters, as a list or separated by commas."
    )
    location: str = Field(description="Added to each query; empty for no place.")
    max_results: int = Field(ge=1, le=500, description="How many distinct creators to find.")
    min_patrons: AtLeastOne | None = Field(default=None, description="Fewer patrons are rejected; unknown passes.")
    max_patrons: AtLeastOne | None = Field(default=None, description="More patrons are rejected; unknown passes.")
    min_posts: AtLeastOne | None = Field(default=None, description="Fewer posts are rejected; unknown passes.")

    @property
    def target_place(self) -> str | None:
        """The place added to each query."""
        return self.location or None

    @field_validator("search_keywords")
    @classmethod
    def _are_keywords(cls, values: list[str]) -> list[str]:
        return checked_keywords(values, most=20)

    @field_validator("location")
    @classmethod
    def _is_one_line(cls, location: str) -> str:
        if len(plain := one_line(location)) > 100:
            raise ValueError(f"at most 100 characters, not {len(plain)}")
        return plain

    @field_validator("max_patrons")
    @classmethod
    def _is_above_the_minimum(cls, maximum: int | None, info: ValidationInfo) -> int | None:
        check_range(info.data.get("min_patrons"), maximum)
        return maximum
