"""Models for answers of vendors: unknown keys ignored, one unreadable field never loses the rest of the item."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import PydanticUndefined, ValidationError


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_aware)]
"""A point in time; without a zone it is UTC, as the vendors mean it."""
Count = Annotated[int, Field(ge=0)]


class Lenient(BaseModel):
    """A frozen view on an item; a field of the wrong type counts as missing, because missing means unknown."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _unreadable_is_missing(
        cls, value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> object:
        try:
            return handler(value)
        except ValidationError:
            field = cls.model_fields[info.field_name or ""]
            default = field.get_default(call_default_factory=True)
            if default is PydanticUndefined:
                raise
            return default
