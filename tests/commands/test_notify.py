"""`notify ...` as people type it."""

from datetime import UTC, datetime

import pytest

from socialanalyzer_dagster.domain.notification_alerts import BreakerOpened
from socialanalyzer_dagster.settings import Settings
from socialanalyzer_dagster.storage import outbox
from socialanalyzer_dagster.storage.database import Database
from tests.commands.conftest import Terminal
from tests.receiver import NO_ANSWER, Receiver, receiving


@pytest.fixture
def receiver(shared: Terminal, monkeypatch: pytest.MonkeyPatch):
    with receiving() as made:
        monkeypatch.setenv("NOTIFY_URLS", f"ops={made.url} away=jsons://ops.example/x")
        yield made


def test_channels_are_listed_with_what_they_are_told(shared: Terminal, receiver: Receiver) -> None:
    found = {each["channel"]: each for each in shared.json("notify", "channels")}
    assert {name: each["has_address"] for name, each in found.items()} == {
        "badge": False, "email": False, "ops": True, "slack": True,
    }, "the sandbox's Slack, and JSON on this machine; nothing that leaves it"  # fmt: skip
    assert found["email"]["kinds"][-2:] == ["daily_digest", "weekly_report"]
    assert "is told about" in shared.run("notify", "channels").out


def test_a_channel_is_tried_and_what_its_service_says_is_told(shared: Terminal, receiver: Receiver) -> None:
    assert shared.json("notify", "test", "slack") == {"channel": "slack", "sent": True, "error": None}
    assert shared.run("notify", "test", "ops").out == "the test message was taken by ops\n"
    assert receiver.titles == ["A test of this channel"]
    receiver.answers = [503, NO_ANSWER]
    refused = shared.run("notify", "test", "ops", "--json")
    assert (refused.code, refused.json) == (1, {"channel": "ops", "sent": False, "error": "http_503"})
    assert "it is not known whether" in shared.run("notify", "test", "ops").out
    unknown = shared.run("notify", "test", "nowhere")
    assert (unknown.code, "channels with one: ops, slack" in unknown.err) == (2, True)


def test_messages_are_listed_sent_and_sent_again_when_a_person_says_so(shared: Terminal, receiver: Receiver) -> None:
    database = Database(Settings.from_environment().database_url.get_secret_value())
    event = BreakerOpened(service="openai", trip=1, code="http_503")
    with database.write() as connection:
        outbox.emit(connection, event, now=datetime.now(UTC))
    database.dispose()
    (waiting,) = shared.json("notify", "list", "--kind", "breaker_opened")
    assert (waiting["channel"], waiting["state"], waiting["title"]) == (
        "slack", "waiting", "openai is not called for now",
    )  # fmt: skip
    early = shared.run("notify", "again", str(waiting["id"]), "--by", "Kai")
    assert (early.code, "see `notify list`" in early.err) == (2, True)
    assert shared.json("notify", "send") == {"sentence": "1 message sent."}
    assert shared.json("notify", "send") == {"sentence": "No message waits."}
    assert "openai is not called for now" in shared.run("notify", "list", "--state", "sent").out
    assert terminal_refuses(shared, "again", "--held", "1")
    assert terminal_refuses(shared, "drop")
    assert shared.json("notify", "drop", "--held", "--by", "Kai") == {"id": None, "messages": 0, "state": "dropped"}
    assert shared.run("notify", "again", "--held", "--by", "Kai").out == (
        "0 held messages are sent with the next look at the outbox\n"
    )


def terminal_refuses(shared: Terminal, *arguments: str) -> bool:
    refused = shared.run("notify", *arguments, "--by", "Kai")
    return refused.code == 2 and "name the ID of one message, or --held" in refused.err
