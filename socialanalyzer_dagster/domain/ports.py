"""What stage functions receive from outside: the gate, the clock, the media store and the checkpoint (Protocols)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from socialanalyzer_dagster.domain.calls import VendorCall, VendorError, VendorJob
from socialanalyzer_dagster.domain.leads import Candidate, Evidence, Identifier, LeadRecord
from socialanalyzer_dagster.domain.outcomes import Outcome, StepState
from socialanalyzer_dagster.domain.scores import ScoreRecord
from socialanalyzer_dagster.domain.types import JsonObject, LeadUid

T = TypeVar("T")


class Clock(Protocol):
    """Aware UTC time; tests move it."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """A typed answer and what it cost this time: 0 when it was reused.

    `partial` says why a job ended before it had everything; what it found until then is in `value`.
    """

    value: T
    attempt_key: str
    cost_micros: int
    reused: bool
    fetched_at: datetime
    partial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step inside a stage ended for one lead; stored before the next step starts (I-56)."""

    step: str
    state: StepState
    candidates: tuple[Candidate, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    detail: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadWork:
    """One lead handed to a stage function.

    `evidence` holds, by kind, what the earlier stages of this batch recorded; `candidates` all stored candidates of the
    lead; `steps` the results this stage already stored for it in this batch; `previous_score` its newest score of any
    batch.
    """

    uid: LeadUid
    position: int
    record: LeadRecord
    candidates: tuple[Candidate, ...] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    steps: Mapping[str, StepResult] = field(default_factory=dict)
    previous_score: ScoreRecord | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadResult:
    """What a stage function says about one lead; everything in it is stored in one transaction.

    `record` replaces the lead's facts where the stage learned more; `values` are the resolved contact fields (field ->
    chosen candidate) and `email_status` is the verified state of the chosen address, as of `email_verified_at`.
    """

    uid: LeadUid
    outcome: Outcome
    evidence: tuple[Evidence, ...] = ()
    record: LeadRecord | None = None
    candidates: tuple[Candidate, ...] = ()
    values: Mapping[str, Candidate] = field(default_factory=dict)
    email_status: str | None = None
    email_verified_at: datetime | None = None
    score: ScoreRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A vendor job that one step of this batch bought earlier: replay it with exactly these leads and this request.

    `key` is the `attempt_key` of the answers it gives.
    """

    key: str
    leads: tuple[LeadUid, ...]
    request: JsonObject
    is_open: bool


class CallGate(Protocol):
    """The one way out to a vendor for single calls (architecture section 4).

    Raises the refusals of domain.refusals and, for the call itself, CallFailed.
    """

    async def call(self, call: VendorCall[T], *, leads: Sequence[LeadUid], step: str, ordinal: int = 0) -> Answer[T]:
        """Send, or answer from the store; `leads` share the cost exactly, none = no lead bears it."""
        ...


class Gate(CallGate, Protocol):
    """The way out of one stage of one batch, with vendor jobs; raises what CallGate raises."""

    async def run_job(self, job: VendorJob[T], *, leads: Sequence[LeadUid], step: str) -> Answer[T]:
        """Start or resume a vendor job and read all of its items."""
        ...

    async def stored_jobs(self, step: str) -> Sequence[StoredJob]:
        """Jobs this stage stored for a step, oldest first, so that a resume replays their composition (spec 8.1)."""
        ...

    async def identify(self, lead: LeadUid, identifiers: Sequence[Identifier]) -> None:
        """Tell the gate a new spelling of the person; raises PersonSuppressed when it is on the list (gate 2)."""
        ...


class MediaPort(Protocol):
    """Private object store for media and grids (spec 8.7)."""

    async def put(self, key: str, data: bytes, content_type: str) -> None: ...

    async def get(self, key: str) -> bytes | None: ...


class Checkpoint(Protocol):
    """Stores step results as they come, so that a crash at step J keeps A to I (I-56)."""

    async def save_steps(self, results: Mapping[LeadUid, StepResult]) -> None: ...


class CallFailed(Exception):
    """The call was made, or given up, without an answer; nothing is held for it unless `outcome_unknown`."""

    def __init__(self, error: VendorError, *, outcome_unknown: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.outcome_unknown = outcome_unknown
