"""What a log record says beside its words: run, batch, stage, platform, step, provider, lead, sending (spec 13.3)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

FIELDS = (
    "run_id", "batch", "batch_id", "attempt", "stage", "platform", "step", "provider", "lead_uid", "attempt_key",
)  # fmt: skip
"""`batch` is the key, `attempt` the batch's, which a run is launched for; `attempt_key` names one sending of a call."""
Field = str | int
_FIELDS: ContextVar[Mapping[str, Field]] = ContextVar("log_fields", default={})  # noqa: B039 - nobody changes the mapping


def log_fields() -> Mapping[str, Field]:
    """The fields of this moment, those that are known, in the order of FIELDS."""
    given = _FIELDS.get()
    return {name: given[name] for name in FIELDS if name in given}


@contextmanager
def logged_as(**fields: Field | None) -> Iterator[None]:
    """Records of the block, and of tasks and threads begun in it, carry these fields; None leaves one as it is."""
    before = _FIELDS.get()
    _FIELDS.set({**before, **{name: value for name, value in fields.items() if value is not None}})
    try:
        yield
    finally:
        _FIELDS.set(before)
