"""Generated histories of the ledger: whatever happens in whatever order, no cap is passed and the books are exact.

A history is a random interleaving of reservations, answers, losses, late figures, kills, restarts and changed caps of
two batches that share a month. Every scope, sending and ledger row is compared with `books.Books` after each step.
Rules have no preconditions: who wins a race differs from run to run, and what is drawn next must not depend on it.
"""

import hashlib
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, update

from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.storage.attempts import Attempt, FindAnswer, attempt_key_of
from socialanalyzer_dagster.storage.budget_scopes import CapSource
from socialanalyzer_dagster.storage.database import Database, table_of
from socialanalyzer_dagster.storage.ledger import RecordReuse
from socialanalyzer_dagster.storage.models_control import (
    SuppressionRow,
)
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.money import Correct, Finish, Reserve
from socialanalyzer_dagster.storage.recovery import Recover, Recovered
from socialanalyzer_dagster.storage.suppressions import Suppression, add_suppressions, suppression_revision
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase, SaveJob
from socialanalyzer_dagster.storage.writes import Write
from tests.chaos.books import RESERVED, SETTLED, UNKNOWN, Books, Caps, Entry, outcomes, played
from tests.chaos.books_check import check_books
from tests.chaos.happenings import BATCHES, CALLS, CAPS, ENDS, Call, End, Tally
from tests.gate_world import activate_budgets, stored_batch, uid

STEPS = 25
PLATFORMS = ("instagram", "patreon")
PROVIDERS = ("openai", "insightiq")
_MICROS = 1_000_000
_ABSOLUTE = 1_500
_FIRST_MONTH = datetime(2000, 1, 1, 12, 0, tzinfo=UTC)


class Killed(Exception):
    """The process died before its commit."""


class LedgerMachine(RuleBasedStateMachine):
    """One history over `database`; `run_histories` makes the class that hypothesis runs."""

    database: ClassVar[Database]
    policy: ClassVar[Policy]
    threads: ClassVar[ThreadPoolExecutor]
    tally: ClassVar[Tally]

    @initialize(caps=CAPS, batch_caps=st.tuples(st.sampled_from([400, 1_000, 5_000]), st.sampled_from([700, 5_000])))
    def begin(self, caps: Caps, batch_caps: tuple[int, int]) -> None:
        """Two batches in months that no other history uses."""
        self.tally.histories += 1
        self.number = self.tally.histories
        months = 2 * self.number
        self.now = _FIRST_MONTH.replace(year=2000 + months // 12, month=1 + months % 12, day=27)
        self.last = self.now + timedelta(days=20)
        self.sources = (CapSource(self.policy.budgets), CapSource(self.policy.budgets))
        self.writers = (GroupWriter(self.database), GroupWriter(self.database))
        with self.database.write() as connection:
            digest = activate_budgets(connection, self._budgets(caps))
            connection.execute(delete(table_of(SuppressionRow)))
            made = [
                stored_batch(connection, policy_hash=digest, platform=platform, cap_micros=cap)
                for platform, cap in zip(PLATFORMS, batch_caps, strict=True)
            ]
            revision = suppression_revision(connection)
        self.batches = tuple(made)
        self.books = Books(caps, dict(zip(made, batch_caps, strict=True)), _ABSOLUTE, revision)
        self.owners = {batch: str(uuid.UUID(int=at)) for at, batch in enumerate(made)}
        self.starts = 2

    @rule(batch=BATCHES, calls=CALLS, ends=st.lists(ENDS, max_size=3))
    def work(self, batch: int, calls: list[Call], ends: list[End]) -> None:
        """A run asks for calls; stored answers are given again, the rest is reserved; other answers come meanwhile."""
        self._commit(batch, [*self._asked(batch, calls), *self._ended(self.batches[batch], ends)])

    @rule(calls=st.tuples(CALLS, CALLS), ends=st.tuples(st.lists(ENDS, max_size=2), st.lists(ENDS, max_size=2)))
    def race(self, calls: tuple[list[Call], list[Call]], ends: tuple[list[End], list[End]]) -> None:
        """Both runs commit at the same time: the result is that of one order or of the other."""
        groups = [[*self._asked(at, calls[at]), *self._ended(self.batches[at], ends[at])] for at in (0, 1)]
        found = list(self.threads.map(lambda at: outcomes(self.writers[at]._apply(groups[at])), (0, 1)))
        for order in ((0, 1), (1, 0)):
            books = self.books.copy()
            expected = {at: outcomes(played(books, groups[at])) for at in order}
            if [expected[0], expected[1]] == found:
                self.books = books
                self.tally.events["race"] += 1
                for at in order:
                    self._count(found[at], groups[at])
                return
        raise AssertionError(f"no order of the two groups gives {found}")

    @rule(batch=BATCHES, calls=CALLS, ends=st.lists(ENDS, max_size=3))
    def die_before_the_commit(self, batch: int, calls: list[Call], ends: list[End]) -> None:
        """What was not committed never happened."""
        writes = [*self._asked(batch, calls), *self._ended(self.batches[batch], ends)]
        with suppress(Killed), self.database.write() as connection:
            for kind in dict.fromkeys(map(type, writes)):
                kind.apply(connection, [write for write in writes if type(write) is kind])
            raise Killed

    @rule(batch=BATCHES, told=st.booleans(), late=st.lists(ENDS, max_size=3))
    def die_and_restart(self, batch: int, told: bool, late: list[End]) -> None:
        """Whatever the run had in flight is lost, or waits at the vendor under its id; the next run takes over.

        A run that only lost its lock is not dead: its answers come late.
        """
        batch_id = self.batches[batch]
        if told:
            self.vendor_tells_the_job(which=0)
        self.owners[batch_id] = owner = str(uuid.UUID(int=self.starts))
        self.starts += 1
        [recovered] = self._apply(Recover(batch_id=batch_id, owner=owner, at=self.now))
        lost, open_jobs = self.books.recover(batch_id, owner)
        assert recovered == Recovered(lost=lost, open_jobs=open_jobs)
        self.tally.events.update({"lost": lost, "job taken over": open_jobs})
        self._commit(batch, self._ended(batch_id, late))

    @rule(which=st.integers(0, 40))
    def vendor_tells_the_job(self, which: int) -> None:
        """The id of a started job is stored."""
        if not (jobs := self._open_jobs()):
            return
        entry = _pick(jobs, which)
        entry.job_id = key = entry.attempt.attempt_key
        self._apply(SaveJob(attempt_key=key, phase=JobPhase.RUNNING, polled_at=self.now, job_id=key))

    @rule(which=st.integers(0, 40), share=st.integers(-100, 40))
    def vendor_corrects(self, which: int, share: int) -> None:
        """A later figure of a settled sending."""
        if not (settled := [each for each in self.books.entries.values() if each.state is SETTLED]):
            return
        entry = _pick(settled, which)
        difference = entry.booked * share // 100
        self._apply(Correct(attempt=entry.attempt, difference_micros=difference, at=self.now))
        self.books.correct(entry, difference)
        self.tally.events["correction"] += 1

    @rule(caps=CAPS)
    def other_caps(self, caps: Caps) -> None:
        """Another policy raises and lowers the shared caps."""
        with self.database.write() as connection:
            activate_budgets(connection, self._budgets(caps))
        self.books.caps = caps

    @rule(batch=BATCHES, cap=st.integers(1, 2_000))
    def other_batch_cap(self, batch: int, cap: int) -> None:
        """A person raises or lowers the cap of a batch."""
        self._change_batch(batch, cap_micros=cap)
        self.books.batch_caps[self.batches[batch]] = cap

    @rule(batch=BATCHES, stop=st.booleans())
    def stop_or_retry(self, batch: int, stop: bool) -> None:
        """A person stops a batch, or queues it again."""
        self._change_batch(batch, stop_requested=stop)
        (self.books.stopped.add if stop else self.books.stopped.discard)(self.batches[batch])

    @rule()
    def somebody_is_suppressed(self) -> None:
        """The list changes: reservations checked against the old one are refused."""
        entry = Suppression(kind="email", keyed_hash=uuid.uuid4().hex, reason="r", source="s", added_at=self.now)
        with self.database.write() as connection:
            add_suppressions(connection, [entry])
        self.books.revision += 1

    @rule(hours=st.integers(1, 60))
    def time_passes(self, hours: int) -> None:
        """Days end, and sometimes the month."""
        self.now = min(self.now + timedelta(hours=hours), self.last)

    @invariant()
    def the_books_are_exact(self) -> None:
        """Scopes, sendings and ledger rows are what the history says, and no scope stands above what it may."""
        self.tally.steps += 1
        check_books(self.database, self.books, self.batches)

    def _asked(self, batch: int, calls: Sequence[Call]) -> list[Write[Any]]:
        """What the gate writes for these calls: reuse of a stored answer, else a reservation of the next issue."""
        wanted = [self._attempt(batch, call) for call in calls]
        wanted = [each for each in wanted if not self.books.is_in_flight(each.call_key)]
        if not wanted:
            return []
        finds = [
            FindAnswer(
                fingerprint=each.fingerprint, call_key=each.call_key, batch_id=each.batch_id,
                reusable_since=_FIRST_MONTH,
            )
            for each in wanted
        ]  # fmt: skip
        return [self._write_of(each, history) for each, history in zip(wanted, self._apply(*finds), strict=True)]

    def _write_of(self, attempt: Attempt, history: Any) -> Write[Any]:
        assert history.issues == self.books.issues(attempt.call_key)
        answers = self.books.answers(attempt.fingerprint)
        if history.answer is not None:
            assert history.answer.attempt_key in answers
            self.tally.events["answer given again"] += 1
            again = replace(attempt, attempt_key=history.answer.attempt_key)
            return RecordReuse(attempt=again, saved_micros=history.answer.cost_micros, at=self.now)
        assert not answers, "a paid answer is there and would be bought again"
        issue = history.issues + 1
        return Reserve(
            attempt=replace(attempt, issue=issue, attempt_key=attempt_key_of(attempt.call_key, issue)),
            caps=self.sources[self.batches.index(attempt.batch_id)],
            suppression_revision=self.books.revision - (attempt.reserved_micros % 10 == 7),
            job_request={"of": attempt.step} if attempt.step == "job" else None,
        )

    def _attempt(self, batch: int, call: Call) -> Attempt:
        batch_id = self.batches[batch]
        request = _digest(self.number, call.number)
        call_key = _digest(self.number, batch, call.number)
        provider = PROVIDERS[call.number % 3 % 2]
        return Attempt(
            attempt_key=call_key, call_key=call_key, fingerprint=request, provider=provider,
            operation=f"{provider}.x", batch_id=batch_id, platform=PLATFORMS[batch], stage="screened",
            step="call" if call.number % 2 else "job", leads=tuple(uid(at) for at in range(call.number % 4)), issue=1,
            owner=self.owners[batch_id], policy_version="1", reserved_micros=call.worst_micros, reserved_at=self.now,
        )  # fmt: skip

    def _ended(self, batch_id: str, ends: Sequence[End]) -> list[Write[Any]]:
        """How sendings end, those of dead runs too: their answer may come late."""
        own = [each for each in self.books.entries.values() if each.attempt.batch_id == batch_id]
        own += [each for each in own if each.state in (RESERVED, UNKNOWN)] * 2
        return [end.write(_pick(own, end.which).attempt, self.now) for end in ends if own]

    def _commit(self, batch: int, writes: Sequence[Write[Any]]) -> None:
        found = outcomes(self.writers[batch]._apply(writes))
        assert found == outcomes(played(self.books, writes))
        self._count(found, writes)

    def _count(self, found: Sequence[Any], writes: Sequence[Write[Any]]) -> None:
        events = self.tally.events
        events.update(each.__name__ for each in found if isinstance(each, type))
        for write, is_end in zip(writes, found, strict=True):
            if isinstance(write, Finish) and is_end:
                events["late answer"] += write.attempt.owner != self.owners[write.attempt.batch_id]
                events["charged above the worst case"] += write.amount_micros > write.attempt.reserved_micros

    def _apply(self, *writes: Write[Any]) -> Sequence[Any]:
        return self.writers[0]._apply(writes)

    def _open_jobs(self) -> list[Entry]:
        jobs = (each for each in self.books.entries.values() if each.attempt.step == "job" and each.job_id is None)
        return [each for each in jobs if each.state is RESERVED]

    def _change_batch(self, batch: int, **values: Any) -> None:
        changed = update(LeadBatchRow).where(LeadBatchRow.batch_id == self.batches[batch]).values(**values)
        with self.database.write() as connection:
            connection.execute(changed)

    def _budgets(self, caps: Caps) -> dict[str, Any]:
        usd = {
            "batch_absolute_usd": _ABSOLUTE, "platform_day_usd": caps.platform_day, "day_usd": caps.day,
            "month_usd": caps.month,
        }  # fmt: skip
        shared = {name: str(micros / _MICROS) for name, micros in usd.items()}
        of_provider = {name: str(micros / _MICROS) for name, micros in caps.provider_month.items()}
        return self.policy.budgets.model_dump(mode="json") | shared | {"provider_month_usd": of_provider}


def _pick(entries: Sequence[Entry], which: int) -> Entry:
    return entries[which % len(entries)]


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def run_histories(database: Database, policy: Policy, *, count: int, seed_number: int) -> Tally:
    """Generate at least so many histories from a seed; raises the smallest one that fails."""
    tally = Tally()
    with ThreadPoolExecutor(2) as threads:
        parts = {"database": database, "policy": policy, "threads": threads, "tally": tally}
        kind = type("Histories", (LedgerMachine,), parts)
        wanted = settings(
            max_examples=count, stateful_step_count=STEPS, deadline=None, database=None, print_blob=True,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
        )  # fmt: skip
        run_state_machine_as_test(seed(seed_number)(kind), settings=wanted)
    return tally
