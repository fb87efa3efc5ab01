"""What rules did in a batch, in sentences for its summary: words and numbers of the decision log (spec 14.1, 15.3)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from socialanalyzer_dagster.domain.rule_questions import EXPIRED, OVERTAKEN, RESULTS, Reply
from socialanalyzer_dagster.domain.sentences import joined


class DeedKind(StrEnum):
    """What a rule did: it searched again, tried leads again, held the batch, or asked a person."""

    SEARCHED = "loosen"
    RETRIED = "retry_failed"
    HELD = "pause"
    ASKED = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDeed:
    """One deed of a rule as the log holds it; `is_done` is None while it is open, `why_not` says why it was not done.

    `what` is a question, `answer` what became of it; `child` is the batch that a deed or a yes made, `changes` how a
    search was loosened, `minutes` and `due_at` when leads are tried again, `vendor` whom a held batch waits for.
    """

    rule: str
    kind: DeedKind
    is_done: bool | None = None
    why_not: str | None = None
    what: str = ""
    answer: str | None = None
    child: str | None = None
    changes: str | None = None
    minutes: int | None = None
    due_at: datetime | None = None
    vendor: str | None = None


def rule_sentences(deeds: Sequence[RuleDeed]) -> tuple[str, ...]:
    """A sentence for each deed in their order; what a rule repeated with growing waits is one."""
    return tuple(_told(deeds))


def _told(deeds: Sequence[RuleDeed]) -> Iterator[str]:
    repeated: set[str] = set()
    for deed in deeds:
        if deed.kind is DeedKind.RETRIED and deed.is_done:
            if deed.rule not in repeated:
                yield _retried(each for each in deeds if (each.rule, each.kind, each.is_done) == _same(deed))
            repeated.add(deed.rule)
        else:
            yield f"{deed.rule} {_SAYS[deed.kind](deed)}."


def _same(deed: RuleDeed) -> tuple[str, DeedKind, bool | None]:
    return deed.rule, deed.kind, deed.is_done


def _retried(deeds: Iterable[RuleDeed]) -> str:
    tried = list(deeds)
    waits = joined(str(each.minutes) for each in tried if each.minutes is not None)
    unit = "minute" if waits == "1" else "minutes"
    return f"{tried[0].rule} had failed leads tried again" + (f" after {waits} {unit}." if waits else ".")


def _searched(deed: RuleDeed) -> str:
    looser = f"the search run again with looser filters ({deed.changes})"
    if deed.is_done is None:
        return f"has {looser}"
    return f"had {looser}, as batch {deed.child}" if deed.is_done else f"wanted {looser}; not done: {deed.why_not}"


def _tries(deed: RuleDeed) -> str:
    if deed.is_done is False:
        return f"wanted failed leads tried again; not done: {deed.why_not}"
    when = f" at {deed.due_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if deed.due_at is not None else ""
    return f"holds the batch and has failed leads tried again{when}"


def _held(deed: RuleDeed) -> str:
    return "paused the batch" + (f" until {deed.vendor} was back" if deed.vendor is not None else "")


def _asked(deed: RuleDeed) -> str:
    if deed.answer is None:
        return f"asks {deed.what}; nobody has answered yet (`socialanalyzer rules questions`)"
    said = _ANSWERS.get(deed.answer, deed.answer)
    if deed.answer in (RESULTS[Reply.REJECT], EXPIRED, OVERTAKEN):
        return f"asked {deed.what}: {said}"
    if deed.is_done is None:
        return f"asked {deed.what}: {said}, which is being done"
    if not deed.is_done:
        return f"asked {deed.what}: {said}, which could not be done: {deed.why_not}"
    return f"asked {deed.what}: {said}" + (f", as batch {deed.child}" if deed.child is not None else "")


_ANSWERS = {
    RESULTS[Reply.APPROVE]: "a person said yes",
    RESULTS[Reply.MODIFY]: "a person wanted it otherwise",
    RESULTS[Reply.REJECT]: "a person said no",
    EXPIRED: "nobody answered, which is a no",
    OVERTAKEN: "it needs no answer any more",
}
_SAYS = {DeedKind.SEARCHED: _searched, DeedKind.RETRIED: _tries, DeedKind.HELD: _held, DeedKind.ASKED: _asked}
