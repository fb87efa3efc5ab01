"""Why the gate did not make a call: each refusal says what would be needed (architecture section 4)."""

from datetime import datetime

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.types import LeadUid


class Refusal(Exception):
    """No call was made and no money is held."""


class BatchStopped(Refusal):
    """The batch was stopped, or its run is being cancelled."""


class PersonSuppressed(Refusal):
    """The lead is on the suppression list, or the list cannot be read (the gate is closed then)."""

    def __init__(self, lead: LeadUid) -> None:
        super().__init__("this person asked not to be processed")
        self.lead = lead


_SHARED_CAPS = frozenset({"platform-day", "day", "month", "provider-month"})


class BudgetExceeded(Refusal):
    """A spending scope has no room for the worst case of the call."""

    def __init__(self, scope: str, cap_micros: int, needed_micros: int) -> None:
        super().__init__(
            f"the {scope} cap of {usd_text(cap_micros)} has no room for a call that may cost {usd_text(needed_micros)}"
        )
        self.scope = scope
        self.cap_micros = cap_micros
        self.needed_micros = needed_micros

    @property
    def policy_key(self) -> str | None:
        """The policy key of a cap that all batches share; None for a batch's own, which is in its row."""
        kind = self.scope.split(":", maxsplit=1)[0]
        return f"budgets.{kind.replace('-', '_')}_usd" if kind in _SHARED_CAPS else None


class UnknownPrice(Refusal):
    """The price table does not list a unit of the call, or in live mode nobody confirmed it: refused, never free."""

    def __init__(self, price_key: str, *, is_unconfirmed: bool = False) -> None:
        missing = f"no price for '{price_key}' in the policy's price table; add it before this can run"
        unconfirmed = f"nobody confirmed the price of '{price_key}', which live mode needs"
        super().__init__(unconfirmed if is_unconfirmed else missing)
        self.price_key = price_key


class ProviderUnavailable(Refusal):
    """The vendor cannot be called: until `retry_at`, or where that is None until a person acts (key, credit, plan)."""

    def __init__(self, vendor: str, code: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(f"{vendor} cannot be used now: {code}")
        self.vendor = vendor
        self.code = code
        self.retry_at = retry_at


class JobStillRunning(Refusal):
    """The vendor works on a paid job whose id is stored; the batch waits outside any run."""

    def __init__(self, vendor: str, job_id: str) -> None:
        super().__init__(f"{vendor} is still working on job {job_id}")
        self.vendor = vendor
        self.job_id = job_id
