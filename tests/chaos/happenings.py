"""What can happen in a generated history: calls, answers and caps as hypothesis draws them, and a tally of it all."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from hypothesis import strategies as st

from socialanalyzer_dagster.storage.attempts import Attempt, AttemptState, packed
from socialanalyzer_dagster.storage.money import Finish
from tests.chaos.books import RELEASED, SETTLED, UNKNOWN, Caps

EVENTS = (
    "Reserved", "BudgetExceeded", "BatchStopped", "SuppressionsChanged", "answer given again", "lost",
    "job taken over", "correction", "race", "charged above the worst case", "late answer",
)  # fmt: skip
"""What must happen in any good number of histories."""
_ANSWER = packed({"paid": True})


@dataclass(frozen=True)
class End:
    """How a sending ends: which one, and what share of its worst case the vendor charged."""

    which: int
    state: AttemptState
    percent: int
    has_answer: bool

    def write(self, attempt: Attempt, at: datetime) -> Finish:
        """As the gate books it."""
        amount = attempt.reserved_micros * self.percent // 100
        body = _ANSWER if self.has_answer and self.state is SETTLED else None
        return Finish(attempt=attempt, state=self.state, at=at, amount_micros=amount, body=body)


@dataclass(frozen=True)
class Call:
    """A call somebody wants to make: its number in the batch and its worst case; every other one is a vendor job."""

    number: int
    worst_micros: int


CAPS = st.builds(
    Caps,
    platform_day=st.sampled_from([300, 900, 4_000]),
    day=st.sampled_from([500, 1_500, 4_000]),
    month=st.sampled_from([800, 2_500, 9_000]),
    provider_month=st.sampled_from([{}, {"openai": 250}, {"openai": 2_000, "insightiq": 700}]),
)
BATCHES = st.integers(0, 1)
ENDS = st.builds(
    End,
    which=st.integers(0, 40),
    state=st.sampled_from([SETTLED, RELEASED, UNKNOWN]),
    percent=st.integers(0, 130),
    has_answer=st.booleans(),
)
CALLS = st.lists(
    st.builds(Call, number=st.integers(0, 11), worst_micros=st.integers(0, 250)),
    min_size=1, max_size=5, unique_by=lambda call: call.number,
)  # fmt: skip


@dataclass
class Tally:
    """What the generated histories were made of; `events` says how often each thing happened that a test is about."""

    histories: int = 0
    steps: int = 0
    events: Counter[str] = field(default_factory=Counter)
