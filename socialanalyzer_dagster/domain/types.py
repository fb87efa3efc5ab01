"""Names of the things everything else talks about: stages, keys and JSON."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NewType, TypeAlias

BatchKey = NewType("BatchKey", str)
PlatformKey = NewType("PlatformKey", str)
LeadUid = NewType("LeadUid", str)
EvidenceId = NewType("EvidenceId", str)
Micros = NewType("Micros", int)
"""Money: integer micro-USD, 1 USD = 1,000,000 (spec 1.2)."""

if TYPE_CHECKING:
    JsonValue: TypeAlias = str | int | float | bool | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
    JsonObject: TypeAlias = Mapping[str, JsonValue]
else:  # at run time pydantic takes any JSON here: it cannot walk a recursive alias
    JsonValue = Any
    JsonObject = Mapping[str, Any]

_LEAD_NAMESPACE = uuid.UUID("5f0c2f3e-6b1d-5c9e-9a60-2d0b6a1f7c11")


class Stage(StrEnum):
    """The fixed, linear order of the pipeline (spec 2.1)."""

    DISCOVERED = "discovered"
    SCREENED = "screened"
    ENRICHED = "enriched"
    ANALYZED = "analyzed"
    SCORED = "scored"
    SYNCED = "synced"

    @property
    def previous(self) -> "Stage | None":
        """The stage whose passed leads enter this one; None for the first."""
        index = STAGES.index(self)
        return STAGES[index - 1] if index else None


STAGES: tuple[Stage, ...] = tuple(Stage)


def lead_uid(platform: PlatformKey, platform_id: str) -> LeadUid:
    """The same account gets the same id in every database (spec 1.3)."""
    return LeadUid(str(uuid.uuid5(_LEAD_NAMESPACE, f"{platform}:{platform_id}")))


def canonical_json(value: JsonValue) -> str:
    """Sorted keys, no spaces, UTF-8: equal values give equal text (spec 5.6)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def sha256_of(value: JsonValue) -> str:
    """Hex SHA-256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
