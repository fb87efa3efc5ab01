"""What a platform is: frozen metadata plus the stage functions that only it knows."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from socialanalyzer_dagster.domain.creator_lists import ListRow
from socialanalyzer_dagster.domain.evidence_blocks import ScoringMaterial
from socialanalyzer_dagster.domain.leads import FoundItem, LeadRecord
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallGate, Checkpoint, Clock, Gate, LeadResult, LeadWork
from socialanalyzer_dagster.domain.rescreening import Rejudged, StoredScreening
from socialanalyzer_dagster.domain.types import PlatformKey, Stage
from socialanalyzer_dagster.vendors.bundle import Vendors


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContext:
    """What a question to a model needs, inside a batch or outside."""

    policy: Policy
    gate: CallGate
    vendors: Vendors
    boundary_secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext(ModelContext):
    """Everything a stage function may use; `filters` is the batch's validated filter model, None for a creator list."""

    gate: Gate
    filters: BaseModel | None
    clock: Clock
    checkpoint: Checkpoint


Discover = Callable[[StageContext], AsyncIterator[FoundItem]]
"""Found items in provider order; raises the gate's refusals."""

Process = Callable[[Sequence[LeadWork], StageContext], AsyncIterator[LeadResult]]
"""One result per lead of a chunk, in any order; a lead it does not answer stays pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAdapter:
    """Declaration of one (platform, stage) beside the function that does it (spec 3.2)."""

    name: str
    description: str
    providers: tuple[str, ...]
    unit_price_key: str
    access_mode: str
    terms_url: str
    terms_reviewed_on: str
    allowed_fields: tuple[str, ...]
    retention_class: str
    keeps_media: bool
    """True when the stage puts images or videos into the media store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordFields:
    """Filters whose texts are the keywords of a search, and the one that takes accepted ideas (spec 5.10)."""

    read: tuple[str, ...]
    ideas: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One platform; no field has a default, so nothing can be forgotten."""

    key: PlatformKey
    label: str
    description: str
    adapters: Mapping[Stage, StageAdapter]
    filter_model: type[BaseModel]
    fixed_search: type[BaseModel]
    """The parts of a search request that only the policy can change."""
    keywords: KeywordFields
    discover: Discover
    from_list_row: Callable[[ListRow, Policy, datetime], FoundItem]
    """A lead of a creator list's row; the instant is when the file was read, which its values carry."""
    screen: Process
    enrich: Process
    analyze: Process
    score: Process
    rescreen: Callable[[StoredScreening, Policy], Rejudged]
    """What another policy would say about a stored screening, without a call."""
    scoring_material: Callable[[LeadWork], ScoringMaterial | None]
    """What the evidence of a lead says in the blocks all platforms share; None when its analysis is missing."""
    crm_properties: Callable[[LeadRecord], Mapping[str, str | None]]
    """The platform's own CRM properties of one lead, B and O rows of spec 11.4 that only it fills."""
    expected_yield: Mapping[Stage, float]
