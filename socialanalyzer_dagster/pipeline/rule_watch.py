"""What rules do beside the runs: choices whose time has come, points that a crash left out, caps of all batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.policy_automation import CapNearlyUsed
from socialanalyzer_dagster.domain.rule_conditions import looked_at
from socialanalyzer_dagster.domain.rule_facts import PointFacts
from socialanalyzer_dagster.domain.rules import Verdict
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.domain.types import STAGES
from socialanalyzer_dagster.pipeline.launch_queue import shared_caps
from socialanalyzer_dagster.pipeline.launching import SharedCap
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.rule_choices import decide
from socialanalyzer_dagster.pipeline.rule_deeds import HOLDING, carry_out, close_question, hold_batch
from socialanalyzer_dagster.pipeline.rule_points import KIND, TOLD, Point, key_at, waits_for_person
from socialanalyzer_dagster.pipeline.rule_questions import ANSWER
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, decisions
from socialanalyzer_dagster.storage.decisions import Decision, DecisionResult, StoredDecision
from socialanalyzer_dagster.storage.lineages import EndedStage, stages_ended


class RuleCursor(BaseModel):
    """Up to when ends of stages were looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    looked_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """What was done, a sentence each; where nothing was, why; and where the next look begins."""

    sentences: tuple[str, ...]
    reason: str
    cursor: RuleCursor


def attend_rules(workplace: Workplace, cursor: str | None) -> Attended:
    """Look once at everything that rules may have to do; safe to repeat, and beside runs that do the same."""
    policy, now = active_policy(workplace.database), workplace.clock.now()
    since = _since(cursor, policy, now)
    with workplace.database.read() as connection:
        waiting = [*decisions.open_of_kind(connection, KIND), *decisions.open_of_kind(connection, ANSWER)]
        points = _unseen(connection, stages_ended(connection, since, now), policy)
    done = [_attended(workplace, each, policy, now) for each in waiting]
    done += [sentence for point in points for sentence in _looked(workplace, point)]
    done += _caps(workplace, policy)
    sentences = tuple(each for each in done if each is not None)
    still = len(waiting) - sum(each is not None for each in done[: len(waiting)])
    return Attended(
        sentences=sentences,
        reason=" ".join(sentences) or _quiet(since, still),
        cursor=RuleCursor(looked_until=now),
    )


def _quiet(since: datetime, waiting: int) -> str:
    looked = f"No rule has anything to do after the stages that ended since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if not waiting:
        return f"{looked}."
    return f"{looked}; {counted(waiting, 'choice waits', 'choices wait')} for their time or for a person's answer."


def _since(cursor: str | None, policy: Policy, now: datetime) -> datetime:
    """A little before the look before this one, but not beyond the window; the whole window without a usable cursor."""
    earliest = now - timedelta(days=policy.rules.window_days)
    if cursor is None:
        return earliest
    try:
        looked = RuleCursor.model_validate_json(cursor).looked_until
    except ValidationError:  # of another version, or edited by hand: looking again does nothing twice
        return earliest
    return max(earliest, looked - timedelta(minutes=policy.rules.overlap_minutes))


def _unseen(connection: Connection, ended: Sequence[EndedStage], policy: Policy) -> list[Point]:
    """The ends of stages at which some rule has not decided yet."""
    due = {stage: [name for name, rule in policy.rules.table.items() if stage in rule.after] for stage in STAGES}
    keys = {key_at(name, each): each for each in ended for name in due[each.stage]}
    known = decisions.made_before(connection, list(keys))
    open_ends = dict.fromkeys(each for key, each in keys.items() if key not in known)
    rows = {batch_id: batches.batch_by_id(connection, batch_id) for batch_id in {each.batch_id for each in open_ends}}
    return [
        Point(batch=row, stage=each.stage, finished_at=each.finished_at)
        for each in open_ends
        if (row := rows[each.batch_id]) is not None
    ]


def _looked(workplace: Workplace, point: Point) -> list[str]:
    """Decide at a point that nobody works on; a run that does decides by itself."""
    lock = batch_lock(workplace.database, workplace.home, point.batch.batch_id)
    if not lock.acquire():
        return []
    try:
        made = decide(workplace, point)
        return [said for each in made if (said := act_on(workplace, each)) is not None]
    finally:
        lock.release()


def act_on(workplace: Workplace, decision: StoredDecision) -> str | None:
    """Begin what was chosen, for a batch whose lock the caller has; None where nothing was to be done yet."""
    if decision.action in HOLDING:
        return hold_batch(workplace, decision)
    return carry_out(workplace, decision)


def _attended(workplace: Workplace, decision: StoredDecision, policy: Policy, now: datetime) -> str | None:
    if waits_for_person(decision):
        return close_question(workplace, decision, now - timedelta(hours=policy.rules.answer_hours))
    if decision.action not in HOLDING:
        return carry_out(workplace, decision)
    if (done := carry_out(workplace, decision)) is not None:
        return done
    lock = batch_lock(workplace.database, workplace.home, decision.batch_id or "")
    if not lock.acquire():
        return None
    try:
        return hold_batch(workplace, decision)
    finally:
        lock.release()


def _caps(workplace: Workplace, policy: Policy) -> list[str]:
    """Warn once of every cap that batches share and that is nearly used, or used up."""
    names = [name for name, rule in policy.rules.table.items() if isinstance(rule.when, CapNearlyUsed)]
    if not names:
        return []
    with workplace.database.read() as connection:
        found = shared_caps(connection, workplace, workplace.platforms, policy.budgets)
    caps = {cap.scope: cap for each in found.values() for cap in each}
    return [
        sentence
        for name in names
        for cap in caps.values()
        if (sentence := _warned(workplace, policy, name, cap)) is not None
    ]


def _warned(workplace: Workplace, policy: Policy, name: str, cap: SharedCap) -> str | None:
    rule, now = policy.rules.table[name], workplace.clock.now()
    looked = looked_at(rule.when, PointFacts(used_micros=cap.used_micros, cap_micros=cap.cap_micros), policy)
    if not looked.is_met:
        return None
    sentence = (
        f"{name} ({rule.title}): {looked.sentence} {cap.period}. At the cap nothing more is bought: batches at work "
        f"end with what they have, queued ones wait; {cap.remedy}."
    )
    made = Decision(
        dedup_key=f"{KIND}:{name}:{cap.scope}:{cap.cap_micros}",
        at=now,
        kind=KIND,
        actor=f"{name}@{policy.policy_version}",
        subject=cap.scope,
        action=rule.then.kind,
        reason=sentence,
        day=now.date(),
        condition=looked.seen,
        parameters={"verdict": Verdict.ACT},
    )
    with workplace.database.write() as connection:
        if not decisions.record(connection, made):
            return None
        decisions.finish(connection, made.dedup_key, DecisionResult(result=TOLD, at=now))
    return sentence
