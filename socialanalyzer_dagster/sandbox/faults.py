"""Fault switches: which calls go wrong, how, and how often; levels are fixed sets of switches."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from socialanalyzer_dagster.sandbox.config import FaultLevel
from socialanalyzer_dagster.sandbox.fault_kinds import is_vendor_kind
from socialanalyzer_dagster.sandbox.store import Json
from socialanalyzer_dagster.sandbox.world.dice import Dice

FaultMode = Literal["always", "nth", "probability"]

GENERIC_KINDS = {
    "rate_limited": "429 in the vendor's shape, with Retry-After where the vendor documents it",
    "rate_limited_bare": "429 in the vendor's shape, without Retry-After",
    "error_500": "500 in the vendor's shape, before any work",
    "error_502": "502 in the vendor's shape, before any work",
    "error_503": "503 in the vendor's shape, before any work",
    "error_504": "504 in the vendor's shape, before any work",
    "unauthorized": "the vendor's answer to a wrong credential",
    "forbidden": "the vendor's answer to a missing right",
    "closed_before": "connection closed before any work was done",
    "closed_after": "connection closed after the work was done and billed (lost answer)",
    "hangs_before": "no answer for `seconds` and no work done; then the connection is closed",
    "hangs_after": "no answer for `seconds` although the work is done and billed (lost answer); then it is closed",
    "error_200": "200 with the vendor's error body, before any work",
    "slow": "the right answer, late by `seconds`",
    "drip": "the right answer, a few bytes at a time over `seconds`",
    "truncated": "the right answer, cut in the middle",
    "malformed": "200 with a body that is not JSON",
}
"""Fault kinds that every call of every vendor can show; other kinds are read by the vendor module as `call.fault`."""


HANGS = frozenset({"hangs_before", "hangs_after"})
HANG_SECONDS = 120.0
"""Longer than any vendor's client waits for an answer (spec 3.3)."""
_LATE_SECONDS = 1.0


@dataclass(frozen=True)
class Fault:
    """One switch: at ``vendor`` and ``operation`` (``*`` = any) show ``kind``.

    ``mode`` always; nth = the ``value``-th matching call and no other; probability = ``value`` of the calls,
    seeded by the request itself, so that other traffic never changes who is hit.
    ``seconds`` is how long slow answers take, how long a connection hangs and what Retry-After says.
    """

    vendor: str
    operation: str
    kind: str
    mode: FaultMode = "always"
    value: float = 1.0
    seconds: float = _LATE_SECONDS

    def matches(self, vendor: str, operation: str) -> bool:
        """Whether the switch speaks about this call."""
        return self.vendor in ("*", vendor) and self.operation in ("*", operation)


def _flaky() -> tuple[Fault, ...]:
    shares = (
        ("rate_limited", 0.02), ("error_500", 0.005), ("error_503", 0.01), ("closed_before", 0.005),
        ("hangs_before", 0.002),
    )  # fmt: skip
    return _shared(shares)


def _shared(shares: Iterable[tuple[str, float]]) -> tuple[Fault, ...]:
    """Faults of all calls, each with its share of them."""
    return tuple(
        Fault("*", "*", kind, "probability", share, HANG_SECONDS if kind in HANGS else _LATE_SECONDS)
        for kind, share in shares
    )


def _hostile() -> tuple[Fault, ...]:
    generic = (
        ("rate_limited", 0.02), ("rate_limited_bare", 0.01), ("error_500", 0.01), ("error_502", 0.005),
        ("error_503", 0.01), ("error_504", 0.005), ("closed_before", 0.01), ("closed_after", 0.005),
        ("hangs_before", 0.003), ("hangs_after", 0.002),
        ("slow", 0.005), ("drip", 0.005), ("truncated", 0.005), ("malformed", 0.005), ("error_200", 0.003),
    )  # fmt: skip
    special = (
        ("openai", "chat_completions", "refusal", 0.01),
        ("openai", "chat_completions", "length", 0.01),
        ("openai", "chat_completions", "content_filter", 0.005),
        ("openai", "chat_completions", "invalid_json", 0.01),
        ("openai", "chat_completions", "out_of_range", 0.01),
        ("openai", "batches", "batch_expired", 0.05),
        ("media", "media", "expired_media", 0.01),
        ("media", "media", "wrong_content_type", 0.005),
        ("media", "media", "very_large", 0.002),
        ("media", "media", "private_redirect", 0.002),
        ("web", "page", "private_redirect", 0.002),
        ("insightiq", "search_export_poll", "injected_bio", 0.02),
        ("insightiq", "search_export_poll", "short_page", 0.02),
        ("insightiq", "search_export_poll", "repeated_page", 0.02),
        ("insightiq", "search_export_poll", "total_changes", 0.02),
        ("apify", "run_start", "empty_dataset", 0.01),
        ("apify", "run_start", "refusal_row", 0.01),
        ("apify", "run_start", "demo_rows", 0.005),
        ("apify", "run_start", "run_failed", 0.01),
        ("apify", "run_start", "run_timed_out", 0.01),
        ("apify", "run_start", "run_aborted", 0.005),
        ("apify", "run_start", "memory_limit", 0.005),
        ("apify", "run_start", "concurrency_limit", 0.005),
        ("apify", "dataset_items", "injected_bio", 0.01),
        ("apify", "dataset_items", "short_page", 0.01),
        ("insightiq", "search_export", "job_failed", 0.01),
        ("insightiq", "contents_fetch", "empty_contents", 0.005),
        ("apollo", "people_match", "placeholder_email", 0.02),
        ("apollo", "people_match", "no_match", 0.02),
        ("millionverifier", "single", "result_unknown", 0.01),
        ("millionverifier", "single", "result_catch_all", 0.01),
        ("hubspot", "batch_upsert", "partial", 0.05),
        ("hubspot", "batch_upsert", "missing_record", 0.02),
        ("hubspot", "batch_upsert", "pending", 0.01),
        ("hubspot", "search", "search_lags", 0.02),
        ("hubspot", "*", "locked", 0.005),
        ("hubspot", "*", "ten_secondly_limit", 0.005),
    )
    return _shared(generic) + tuple(
        Fault(vendor, operation, kind, "probability", share) for vendor, operation, kind, share in special
    )


LEVELS: dict[FaultLevel, tuple[Fault, ...]] = {"none": (), "flaky": _flaky(), "hostile": _hostile()}


class FaultBoard:
    """The switches that are on: those of the level the sandbox was started with, until somebody sets others."""

    def __init__(self, seed: int, level: FaultLevel) -> None:
        self._seed = seed
        self._level = level
        self._lock = threading.Lock()
        self._switches: list[Fault] = list(LEVELS[level])
        self._seen: list[int] = [0] * len(self._switches)
        self.shown: dict[str, int] = {}

    @property
    def switches(self) -> tuple[Fault, ...]:
        """All switches that are on, first match wins."""
        return tuple(self._switches)

    def set(self, switches: list[Fault]) -> None:
        """Replace all switches; counts of the n-th mode start again."""
        with self._lock:
            self._switches = list(switches)
            self._seen = [0] * len(self._switches)

    def add(self, switch: Fault) -> None:
        """Put one more switch in front of the others."""
        self.set([switch, *self._switches])

    def reset(self) -> None:
        """Back to the level's own switches."""
        self.shown = {}
        self.set(list(LEVELS[self._level]))

    def pick(self, vendor: str, operation: str, *, fingerprint: str, ordinal: int) -> Fault | None:
        """The fault this call shows, or None; ``ordinal`` counts the same request, so that a retry draws anew."""
        if not self._switches:
            return None
        with self._lock:
            for position, switch in enumerate(self._switches):
                if switch.matches(vendor, operation) and self._fires(position, switch, fingerprint, ordinal):
                    name = f"{vendor}.{operation}.{switch.kind}"
                    self.shown[name] = self.shown.get(name, 0) + 1
                    return switch
        return None

    def _fires(self, position: int, switch: Fault, fingerprint: str, ordinal: int) -> bool:
        self._seen[position] += 1
        if switch.mode == "always":
            return True
        if switch.mode == "nth":
            return self._seen[position] == int(switch.value)
        return Dice(self._seed, "fault", position, switch.kind, fingerprint, ordinal).chance(switch.value)


def fault_from_json(body: Json) -> Fault:
    """A switch from an admin request; ValueError names what is wrong with it."""
    if not isinstance(body, dict) or not {"vendor", "kind"} <= body.keys():
        raise ValueError("a fault needs at least vendor and kind")
    unknown = body.keys() - {"vendor", "operation", "kind", "mode", "value", "seconds"}
    if unknown:
        raise ValueError(f"unknown keys of a fault: {sorted(unknown)}")
    if body["kind"] not in GENERIC_KINDS and not is_vendor_kind(str(body["vendor"]), str(body["kind"])):
        raise ValueError(f"{body['vendor']} shows no fault of the kind {body['kind']}")
    mode = body.get("mode", "always")
    if mode not in ("always", "nth", "probability"):
        raise ValueError("the mode of a fault is always, nth or probability")
    return Fault(
        vendor=str(body["vendor"]),
        operation=str(body.get("operation", "*")),
        kind=str(body["kind"]),
        mode=mode,
        value=float(body.get("value", 1.0)),
        seconds=float(body.get("seconds", HANG_SECONDS if body["kind"] in HANGS else _LATE_SECONDS)),
    )
