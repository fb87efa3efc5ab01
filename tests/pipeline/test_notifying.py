"""What happened is told once, whatever goes wrong between the outbox and the people."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from batch_world import World, book_policy
from receiver import NO_ANSWER, Receiver, receiving

from socialanalyzer_dagster.domain.notification_alerts import BreakerOpened
from socialanalyzer_dagster.domain.notifications import Message
from socialanalyzer_dagster.pipeline.message_view import NoSuchMessage, drop, hold_unsent, send_again
from socialanalyzer_dagster.pipeline.notifying import send_due
from socialanalyzer_dagster.storage import outbox, outbox_keeping
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.outbox import OutboxQuestion, OutboxState
from socialanalyzer_dagster.vendors.notifier import Notifier, url_channel


def a_world(database: Database, policy: Any, clock: Any, home: Any, *channels: str) -> World:
    document = policy.document()["notifications"]
    channels_of = document["channels"] | {"breaker_opened": [*channels] or ["ops"]}
    changed = {"channels": channels_of, "retry_minutes": [1, 5], "lease_seconds": 60}
    return World(database, book_policy(policy, notifications=changed), clock, home)


@pytest.fixture
def world(sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any) -> World:
    return a_world(sqlite_database, policy, clock, tmp_path)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def notifier(**receivers: Receiver) -> Notifier:
    return Notifier({name: url_channel(name, each.url, in_sandbox=True) for name, each in receivers.items()})


def tell(world: World, *services: str, trip: int = 1) -> int:
    events = [BreakerOpened(service=each, trip=trip, code="http_503") for each in services]
    with world.database.write() as connection:
        return outbox.emit(connection, *events, now=world.clock.now())


def states(world: World) -> list[tuple[str, str, str | None]]:
    with world.database.read() as connection:
        rows = outbox.messages(connection, OutboxQuestion(limit=50))
    return [(row["channel"], row["state"], row["error_code"]) for row in reversed(rows)]


def test_one_event_is_one_message_however_often_it_is_told(
    database: Database, policy: Any, clock: Any, tmp_path: Any, receiver: Receiver
) -> None:
    world = a_world(database, policy, clock, tmp_path)
    assert [tell(world, "openai"), tell(world, "openai"), tell(world, "openai", trip=2)] == [1, 0, 1]
    assert send_due(world.workplace, notifier(ops=receiver)) == "2 messages sent."
    assert send_due(world.workplace, notifier(ops=receiver)) == "No message waits."
    assert receiver.titles == ["openai is not called for now"] * 2
    assert "Too many calls failed" in receiver.arrived[0]["message"]


def test_an_event_whose_transaction_is_undone_is_told_to_nobody(world: World, receiver: Receiver) -> None:
    event = BreakerOpened(service="openai", trip=1, code="http_503")

    def told_then_undone() -> None:
        with world.database.write() as connection:
            outbox.emit(connection, event, now=world.clock.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        told_then_undone()
    assert send_due(world.workplace, notifier(ops=receiver)) == "No message waits."


class DiesAfterSending:
    """A sender whose process is killed when the service has the message and nobody has written so."""

    def __init__(self, inner: Notifier) -> None:
        self._inner = inner

    def send(self, channel: str, message: Message) -> None:
        self._inner.send(channel, message)
        raise SystemExit


def test_what_a_killed_sender_may_have_sent_is_told_as_unknown_and_not_sent_again(
    database: Database, policy: Any, clock: Any, tmp_path: Any, receiver: Receiver, caplog: Any
) -> None:
    world = a_world(database, policy, clock, tmp_path)
    tell(world, "openai")
    with pytest.raises(SystemExit):
        send_due(world.workplace, DiesAfterSending(notifier(ops=receiver)))
    assert send_due(world.workplace, notifier(ops=receiver)) == "No message waits."
    assert states(world) == [("ops", "sending", None)]
    clock.advance(seconds=61)
    with caplog.at_level(logging.ERROR):
        told = send_due(world.workplace, notifier(ops=receiver))
    assert told == "1 message that may have arrived, not sent again."
    assert "may have arrived: the sender ended before it could say so" in caplog.text
    clock.advance(days=3)
    send_due(world.workplace, notifier(ops=receiver))
    assert states(world) == [("ops", "unknown", "sender_ended")]
    assert len(receiver.arrived) == 1


def test_a_message_that_may_have_arrived_is_sent_again_when_a_person_says_so(world: World, receiver: Receiver) -> None:
    tell(world, "openai")
    receiver.answers = [NO_ANSWER]
    assert send_due(world.workplace, notifier(ops=receiver)) == (
        "1 message that may have arrived, not sent again (ops)."
    )
    assert states(world) == [("ops", "unknown", "no_answer")]
    with world.database.write() as connection:
        (row,) = outbox.messages(connection, OutboxQuestion(limit=1))
        assert outbox_keeping.send_again(connection, row["id"], world.clock.now()) == 1
        assert outbox_keeping.send_again(connection, row["id"], world.clock.now()) == 0, "it waits already"
    assert send_due(world.workplace, notifier(ops=receiver)) == "1 message sent."
    assert len(receiver.arrived) == 2


def test_what_waited_in_a_restored_database_goes_only_when_a_person_says_so(world: World, receiver: Receiver) -> None:
    tell(world, "apollo")
    send_due(world.workplace, notifier(ops=receiver))
    tell(world, "openai", "apify", "insightiq")
    assert hold_unsent(world.database, world.clock.now(), looks_at_tables=True) == 3
    assert send_due(world.workplace, notifier(ops=receiver)) == (
        "No message waits. 3 messages of a restored back-up held: `notify again` or `drop`."
    )
    assert states(world) == [("ops", "sent", None), *[("ops", "held", "restored")] * 3]
    assert tell(world, "openai") == 0, "a held message is told by no other"
    assert drop(world.workplace, 2, by="Kai") == 1
    assert send_again(world.workplace, None, by="Kai") == 2
    for wish in (drop, send_again):
        with pytest.raises(NoSuchMessage, match="message 2"):
            wish(world.workplace, 2, by="Kai")
    assert send_due(world.workplace, notifier(ops=receiver)) == "2 messages sent."
    assert [state for _, state, _ in states(world)] == ["sent", "dropped", "sent", "sent"]


@pytest.mark.parametrize("status", [429, 500, 503, 404])
def test_what_a_service_refuses_is_tried_again_later_and_later_and_then_given_up(
    world: World, receiver: Receiver, status: int
) -> None:
    tell(world, "openai")
    receiver.answers = [status] * 3
    found = []
    for minutes in (0, 1, 4, 1):
        world.clock.advance(minutes=minutes)
        found.append(send_due(world.workplace, notifier(ops=receiver)))
    not_taken = "1 message not taken, to be tried again (ops)."
    wait = "No message is due before 2026-11-20 12:06:00 UTC."
    assert found == [not_taken, not_taken, wait, "1 message given up (ops)."]
    assert states(world) == [("ops", "failed", f"http_{status}")]


def test_a_gateway_that_lost_the_answer_leaves_it_unknown(world: World, receiver: Receiver) -> None:
    tell(world, "openai")
    receiver.answers = [504]
    send_due(world.workplace, notifier(ops=receiver))
    assert states(world) == [("ops", "unknown", "http_504")]


def test_a_service_that_nobody_reached_is_tried_again(world: World) -> None:
    with receiving() as gone:
        pass
    tell(world, "openai")
    send_due(world.workplace, notifier(ops=gone))
    assert states(world) == [("ops", "waiting", "not_reached")]


def test_a_channel_that_fails_keeps_no_other_from_its_messages(
    sqlite_database: Database, policy: Any, clock: Any, tmp_path: Any, receiver: Receiver
) -> None:
    world = a_world(sqlite_database, policy, clock, tmp_path, "down", "ops", "nowhere", "badge")
    tell(world, "openai", "apify")
    with receiving() as gone:
        pass
    told = send_due(world.workplace, notifier(down=gone, ops=receiver))
    assert told == (
        "2 messages sent; 1 message not taken, to be tried again; 2 messages for a channel without an address "
        "(down, nowhere)."
    )
    assert [state for channel, state, _ in states(world) if channel == "down"] == ["waiting", "waiting"]
    assert [state for channel, state, _ in states(world) if channel == "badge"] == [OutboxState.LISTED] * 2


def test_two_senders_never_take_the_same_message(database: Database, policy: Any, clock: Any, tmp_path: Any) -> None:
    world = a_world(database, policy, clock, tmp_path)
    tell(world, "openai", "apify")
    now = clock.now()
    with world.database.write() as one:
        first = outbox.take(one, now=now, lease_seconds=60)
        if not world.database.is_sqlite:  # SQLite has one writer at a time
            with world.database.write() as other:
                second = outbox.take(other, now=now, lease_seconds=60)
    if world.database.is_sqlite:
        with world.database.write() as other:
            second = outbox.take(other, now=now, lease_seconds=60)
    assert first is not None
    assert second is not None
    assert {first.facts["service"], second.facts["service"]} == {"openai", "apify"}


def test_what_no_version_can_read_is_given_up_and_the_next_is_sent(world: World, receiver: Receiver) -> None:
    tell(world, "openai", "apify")
    with world.database.write() as connection:
        connection.exec_driver_sql("UPDATE outbox SET facts = '{}' WHERE id = (SELECT min(id) FROM outbox)")
    assert send_due(world.workplace, notifier(ops=receiver)) == "1 message sent; 1 message given up (ops)."
