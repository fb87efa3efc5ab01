"""Events about money, vendors and people's rights (spec 16)."""

from datetime import date

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.notification_events import Event, Kind, key_of
from socialanalyzer_dagster.domain.sentences import begun, counted, leads


class CapWarned(Event):
    """A spending cap is nearly used up; told once per cap."""

    KIND = Kind.CAP_WARNED
    scope: str
    used_micros: int
    cap_micros: int

    @property
    def occasion(self) -> str:
        """One amount of one cap."""
        return f"{self.scope}:{self.cap_micros}"

    def title(self, batch: str) -> str:
        """Which cap."""
        return f"{begun(cap_name(self.scope, batch))} is nearly used up"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """How far."""
        used, cap = usd_text(self.used_micros), usd_text(self.cap_micros)
        return f"{used} of {cap} are used or reserved.", "At the cap no further paid call is made."


class CapReached(Event):
    """A spending cap refuses calls, or keeps queued batches waiting (`is_holding`); told once per cap."""

    KIND = Kind.CAP_REACHED
    scope: str
    cap_micros: int
    is_holding: bool = False

    @property
    def occasion(self) -> str:
        """One amount of one cap."""
        return f"{self.scope}:{self.cap_micros}"

    def title(self, batch: str) -> str:
        """Which cap."""
        return f"{begun(cap_name(self.scope, batch))} of {usd_text(self.cap_micros)} is reached"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """What that means, and what to do."""
        stops = "No paid call is made under it any more; leads that are left are skipped and can be done later."
        if self.scope.startswith("batch:"):
            key = key_of(batch)
            return stops, f"`socialanalyzer batch set-cap {key} --max-spend USD` with a higher figure goes on."
        if self.is_holding:
            stops = "Queued batches are not launched; nothing of them is lost."
        return stops, "It starts anew with the next period; a higher cap is a change of the policy's `budgets`."


class _OfService(Event):
    """Something about one vendor; `trip` counts how often its breaker opened."""

    service: str
    trip: int

    @property
    def occasion(self) -> str:
        """One trip of one vendor's breaker."""
        return f"{self.service}:{self.trip}"


class BreakerOpened(_OfService):
    """A vendor failed too often and is left alone for a while."""

    KIND = Kind.BREAKER_OPENED
    code: str

    def title(self, batch: str) -> str:
        """Which vendor."""
        return f"{self.service} is not called for now"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """Why, and that it goes on by itself."""
        return f"Too many calls failed, the last with '{self.code}'.", "Work goes on by itself when it answers again."


class BreakerClosed(_OfService):
    """A vendor can be called again."""

    KIND = Kind.BREAKER_CLOSED

    def title(self, batch: str) -> str:
        """Which vendor."""
        return f"{self.service} can be called again"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """What follows."""
        return ("Leads that waited for it are done by themselves.",)


class ServiceRefused(_OfService):
    """A vendor refuses its service until a person acts: key, credit or plan."""

    KIND = Kind.SERVICE_REFUSED
    code: str

    def title(self, batch: str) -> str:
        """Which vendor."""
        return f"{self.service} refuses its service"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """What to do."""
        return (
            f"Its answer was '{self.code}': the key, the credit or the plan needs a person.",
            f"Put that right, then `socialanalyzer health reset {self.service} --by NAME`.",
        )


class NoticesOverdue(Event):
    """People were not told in time where their data comes from."""

    KIND = Kind.NOTICES_OVERDUE
    day: date
    notices: int

    @property
    def occasion(self) -> str:
        """One day."""
        return self.day.isoformat()

    def title(self, batch: str) -> str:
        """How many."""
        return f"{counted(self.notices, 'notice')} overdue"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """What to do."""
        return (
            "`socialanalyzer privacy notices` lists them; `socialanalyzer privacy notice LEAD --by NAME` records one.",
        )


class EraseRequested(Event):
    """A person's data are to be erased everywhere."""

    KIND = Kind.ERASE_REQUESTED
    request_id: str
    leads: int

    @property
    def occasion(self) -> str:
        """One request."""
        return self.request_id

    def title(self, batch: str) -> str:
        """That there is one."""
        return "A person's data are being erased"

    def sentences(self, batch: str) -> tuple[str, ...]:
        """Where to see how far it is."""
        about = f"Request {self.request_id} is about {leads(self.leads)}."
        return about, "`socialanalyzer privacy requests` shows the receipt and what it still waits for."


def cap_name(scope: str, batch: str) -> str:
    """'the cap of batch K', 'the day cap of 2026-11-20', 'the month cap of openai 2026-11'."""
    kind, _, rest = scope.partition(":")
    if kind == "batch":
        return f"the cap of {batch}"
    return f"the {kind.replace('-', ' ')} cap of {rest.replace(':', ', ')}"
