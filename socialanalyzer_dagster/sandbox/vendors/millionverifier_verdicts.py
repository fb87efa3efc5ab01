"""What the simulated MillionVerifier says of an address."""

from dataclasses import dataclass

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.world.models import MailboxStatus

FREE_PROVIDERS = frozenset(
    {"gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "aol.com", "icloud.com", "me.com", "proton.me", "gmx.com"}
)
ROLE_NAMES = frozenset({"info", "contact", "hello", "booking", "press", "support", "admin", "sales", "team", "office"})

_QUALITY = {"ok": "good", "catch_all": "risky", "unknown": "risky", "invalid": "bad", "disposable": "bad"}


@dataclass(frozen=True)
class Verdict:
    """What verification says of one address."""

    result: str
    quality: str
    free: bool
    role: bool


def verdict_on(state: SandboxState, email: str, forced: str | None = None) -> Verdict:
    """Return the verdict on an address: the world's mailbox, or the result that a fault or test key forces."""
    local, _, domain = email.lower().rpartition("@")
    well_formed = bool(local) and "." in domain and " " not in email
    status: MailboxStatus = state.world.mailbox(email) if well_formed else "invalid"
    result = forced or status
    return Verdict(result, _QUALITY.get(result, ""), domain in FREE_PROVIDERS, local in ROLE_NAMES)
