"""Sends what the outbox holds: never twice, again with growing waits what nobody took for certain (spec 16)."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from socialanalyzer_dagster.domain.notification_events import Kind
from socialanalyzer_dagster.domain.notifications import (
    EVENTS,
    DeliveryFailed,
    DeliveryUnknown,
    Message,
    NoSuchChannel,
    Place,
    markup_of,
    message,
)
from socialanalyzer_dagster.domain.policy_notifications import NotificationsPolicy
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import outbox, outbox_keeping
from socialanalyzer_dagster.storage.outbox import OutboxState, Sent, Taken

_LOG = logging.getLogger(__name__)
_UNREADABLE = "unreadable"
TEST_MESSAGE = Message(title="A test of this channel", text="Social Analyzer can reach you here.")


class Sender(Protocol):
    """What hands messages to channels; raises NoSuchChannel, DeliveryFailed and DeliveryUnknown."""

    def send(self, channel: str, message: Message) -> None: ...


def send_due(workplace: Workplace, sender: Sender) -> str:
    """Send the messages that are due; returns a sentence for people.

    What nobody took waits longer each time and is given up at last; what may have arrived is not sent again. Neither
    changes a batch or raises. When a channel fails, its other messages are left for the next round.
    """
    with workplace.database.write() as connection:
        policy = outbox.notifications_policy(connection)
        lost = outbox.lose(connection, now=workplace.clock.now())
    if lost:
        _LOG.error("%s may have arrived: the sender ended before it could say so", counted(len(lost), "message"))
    round_ = _Round(workplace, sender, policy)
    while len(round_.ends) < policy.per_tick and round_.sends_one():
        pass
    return _sentence(workplace, round_.ends, lost=len(lost))


class _Round:
    """One look at the outbox."""

    def __init__(self, workplace: Workplace, sender: Sender, policy: NotificationsPolicy) -> None:
        self._workplace = workplace
        self._sender = sender
        self._policy = policy
        self._away: set[str] = set()
        self.ends: list[Sent] = []

    def sends_one(self) -> bool:
        """Send the message that has been due the longest, of channels that did not fail in this round."""
        lease = self._policy.lease_seconds
        with self._workplace.database.write() as connection:
            taken = outbox.take(connection, now=self._now, lease_seconds=lease, without=self._away)
        if taken is None:
            return False
        ended = self._tried(taken)
        with self._workplace.database.write() as connection:
            outbox.end(connection, ended)
        self.ends.append(ended)
        return True

    def _tried(self, taken: Taken) -> Sent:
        try:
            shown = _shown(self._workplace, taken)
        except (ValueError, KeyError):
            _LOG.error("message %d of kind %s cannot be read; it is not sent", taken.id, taken.kind)
            return self._sent(taken, OutboxState.FAILED, _UNREADABLE)
        try:
            self._sender.send(taken.channel, shown)
        except NoSuchChannel:
            return self._sent(taken, OutboxState.NOT_CONFIGURED)
        except DeliveryFailed as error:
            return self._failed(taken, error.code)
        except DeliveryUnknown as error:
            _LOG.error("message %d for %s may have arrived: %s", taken.id, taken.channel, error.code)
            self._away.add(taken.channel)
            return self._sent(taken, OutboxState.UNKNOWN, error.code)
        return self._sent(taken, OutboxState.SENT)

    def _failed(self, taken: Taken, code: str) -> Sent:
        self._away.add(taken.channel)
        waits = self._policy.retry_minutes
        if taken.tries > len(waits):
            _LOG.error("message %d for %s is given up after %d tries: %s", taken.id, taken.channel, taken.tries, code)
            return self._sent(taken, OutboxState.FAILED, code)
        due = self._now + timedelta(minutes=waits[taken.tries - 1])
        return Sent(message=taken, state=OutboxState.WAITING, at=self._now, error_code=code, due_at=due)

    def _sent(self, taken: Taken, state: OutboxState, code: str | None = None) -> Sent:
        return Sent(message=taken, state=state, at=self._now, error_code=code)

    @property
    def _now(self) -> datetime:
        return self._workplace.clock.now()


def _shown(workplace: Workplace, taken: Taken) -> Message:
    """The words of a stored message; raises ValueError and KeyError for what this version cannot read."""
    event = EVENTS[Kind(taken.kind)].of_facts(taken.facts, taken.batch_id)
    key = taken.batch_key
    place = Place(
        markup=markup_of(taken.channel),
        batch_key=key,
        link=None if key is None else workplace.batch_link(BatchKey(key)),
    )
    return message(event, place)


def _sentence(workplace: Workplace, ends: Sequence[Sent], *, lost: int) -> str:
    """What was sent, what waits, and when the next message is due."""
    if not ends and not lost:
        with workplace.database.read() as connection:
            due, held = outbox.next_due(connection), outbox_keeping.held_messages(connection)
        quiet = "No message waits." if due is None else f"No message is due before {due:%Y-%m-%d %H:%M:%S} UTC."
        return (
            f"{quiet} {counted(held, 'message')} of a restored back-up held: `notify again` or `drop`."
            if held
            else quiet
        )
    states = Counter(each.state for each in ends)
    states[OutboxState.UNKNOWN] += lost
    told = [f"{counted(states[state], 'message')} {words}" for state, words in _WORDS.items() if states[state]]
    channels = sorted({each.message.channel for each in ends if each.state in _NOT_DELIVERED})
    where = f" ({', '.join(channels)})" if channels else ""
    return f"{'; '.join(told)}{where}."


_WORDS = {
    OutboxState.SENT: "sent",
    OutboxState.WAITING: "not taken, to be tried again",
    OutboxState.FAILED: "given up",
    OutboxState.UNKNOWN: "that may have arrived, not sent again",
    OutboxState.NOT_CONFIGURED: "for a channel without an address",
}
_NOT_DELIVERED = frozenset(_WORDS) - {OutboxState.SENT}
