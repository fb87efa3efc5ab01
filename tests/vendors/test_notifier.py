"""Messages as Slack, a mail server and plain HTTP receive them, and what is known when they do not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from socialanalyzer_dagster.domain.notification_alerts import BreakerOpened
from socialanalyzer_dagster.domain.notifications import (
    DeliveryFailed,
    DeliveryUnknown,
    Markup,
    Message,
    NoSuchChannel,
    Place,
    message,
)
from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.sandbox.vendors.slack import messages
from socialanalyzer_dagster.vendors.notifier import (
    BadAddress,
    Channel,
    Notifier,
    email_channel,
    slack_channel,
    url_channel,
)
from tests.receiver import NO_ANSWER, receiving

MESSAGE = Message(
    title="5 < 6 & 7 *bold*", text="Open <https://ui.example/p?a=1&amp;b=2|the batch> &lt;!channel&gt; *x*"
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxConfig(port=0)) as server:
        yield server


def webhook(sandbox: SandboxServer, last: str = "x0") -> Channel:
    return slack_channel(f"{sandbox.base_url}/slack/services/T00000000/B00000000/{last}", in_sandbox=True)


def test_slack_shows_the_title_as_it_is_and_our_markup_as_markup(sandbox: SandboxServer) -> None:
    webhook(sandbox).send(MESSAGE)
    (kept,) = messages(sandbox.state)
    header, section = kept["payload"]["attachments"][0]["blocks"]
    assert header["text"] == {"type": "plain_text", "text": "5 &lt; 6 &amp; 7 *bold*", "emoji": True}
    assert section["text"] == {"type": "mrkdwn", "text": MESSAGE.text}


def test_a_webhook_that_slack_does_not_know_is_a_refusal(sandbox: SandboxServer) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        webhook(sandbox, "invalid").send(MESSAGE)
    assert caught.value.code == "http_403"


@pytest.mark.parametrize("address", ["https://hooks.example", "https://hooks.example/a/b/c d"])
def test_an_address_that_is_no_webhook_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(BadAddress, match="SLACK_WEBHOOK_URL is no incoming webhook") as caught:
        slack_channel(address, in_sandbox=False)
    assert "hooks.example" not in str(caught.value)


@dataclass
class MailServer:
    """Speaks as much SMTP as a client needs; `refuse` are the recipients it does not take, `drops` ends after DATA."""

    port: int = 0
    refuse: tuple[str, ...] = ()
    drops: bool = False
    mails: list[str] = field(default_factory=list)


@contextmanager
def mail_server(**options: object) -> Iterator[MailServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = MailServer(port=listener.getsockname()[1], **options)  # type: ignore[arg-type]
    thread = threading.Thread(target=_serve, args=(listener, server), daemon=True)
    thread.start()
    yield server
    listener.close()
    thread.join(timeout=5)


def _serve(listener: socket.socket, server: MailServer) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb") as wire:

        def say(text: str) -> None:
            wire.write(f"{text}\r\n".encode())
            wire.flush()

        say("220 ready")
        for raw in wire:
            line = raw.decode().strip()
            verb = line[:4].upper()
            if verb == "DATA":
                say("354 go on")
                server.mails.append(_body(wire))
                if server.drops:
                    return
                say("250 taken")
            elif verb == "RCPT" and any(each in line for each in server.refuse):
                say("550 nobody here")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")


def _body(wire: object) -> str:
    lines = []
    for raw in wire:  # type: ignore[attr-defined]
        if raw == b".\r\n":
            break
        lines.append(raw.decode())
    return "".join(lines)


def mailbox(server: MailServer, recipients: str = "ana@ours.example") -> Channel:
    return email_channel(f"smtp://127.0.0.1:{server.port}?from=leads@ours.example", recipients, in_sandbox=True)


def test_an_e_mail_is_plain_text_to_everybody_named() -> None:
    with mail_server() as server:
        mailbox(server, "ana@ours.example,ben@ours.example").send(
            Message(title="Ein Titel <b>", text="2 < 3 & *x*\nEnd.")
        )
    assert len(server.mails) == 2
    assert all("Content-Type: text/plain" in each for each in server.mails)
    assert all("Ein Titel <b>" in each for each in server.mails)
    assert all("From: Social Analyzer <leads@ours.example>" in each for each in server.mails)
    assert sorted("ana@" in each.split("\n\n")[0] or "ben@" in each for each in server.mails) == [True, True]


@pytest.mark.parametrize(
    ("options", "expected", "code"),
    [
        ({"refuse": ("ana@",)}, DeliveryFailed, "smtp_550"),
        ({"refuse": ("ben@",)}, DeliveryUnknown, "partly_delivered"),
        ({"drops": True}, DeliveryUnknown, "no_answer"),
    ],
)
def test_a_mail_that_some_got_or_may_have_got_is_not_known_to_have_failed(
    options: dict[str, object], expected: type[Exception], code: str
) -> None:
    recipients = "ana@ours.example" if options.get("refuse") == ("ana@",) else "ana@ours.example,ben@ours.example"
    with mail_server(**options) as server, pytest.raises(expected) as caught:
        mailbox(server, recipients).send(MESSAGE)
    assert caught.value.code == code  # type: ignore[attr-defined]


def test_a_mail_server_that_nobody_reaches_is_a_failure() -> None:
    with pytest.raises(DeliveryFailed, match="not_reached"):
        mailbox(MailServer(port=9)).send(MESSAGE)


@pytest.mark.parametrize(
    ("answer", "expected", "code"),
    [(503, DeliveryFailed, "http_503"), (502, DeliveryUnknown, "http_502"), (NO_ANSWER, DeliveryUnknown, "no_answer")],
)
def test_an_address_with_its_own_retries_is_asked_once(answer: int, expected: type[Exception], code: str) -> None:
    with receiving() as receiver:
        receiver.answers = [answer]
        with pytest.raises(expected) as caught:
            url_channel("ops", f"{receiver.url}?retry=3&wait=0", in_sandbox=True).send(MESSAGE)
    assert (caught.value.code, len(receiver.arrived)) == (code, 1)  # type: ignore[attr-defined]


def test_in_the_sandbox_nothing_leaves_this_machine() -> None:
    with pytest.raises(DeliveryFailed, match="outside_sandbox"):
        url_channel("ops", "jsons://ops.example/x", in_sandbox=True).send(MESSAGE)


def test_a_channel_nobody_set_up_and_one_with_a_bad_address_are_told_apart() -> None:
    notifier = Notifier({"ops": None})
    with pytest.raises(NoSuchChannel):
        notifier.send("other", MESSAGE)
    with pytest.raises(DeliveryFailed, match="bad_address"):
        notifier.send("ops", MESSAGE)
    with pytest.raises(BadAddress, match="the address of 'ops' is none that Apprise knows"):
        url_channel("ops", "nonsense://x/s3cret", in_sandbox=False)


@pytest.mark.parametrize("markup", list(Markup))
def test_text_from_outside_cannot_call_a_channel_or_make_a_link(markup: Markup) -> None:
    event = BreakerOpened(service="openai", trip=1, code="<!channel> <https://evil.example|ours> & more")
    shown = message(event, Place(markup=markup, batch_key="k", link="https://ui.example/p?a=1&b=2"))
    if markup is Markup.SLACK:
        assert "&lt;!channel&gt; &lt;https://evil.example|ours&gt; &amp; more" in shown.text
        assert "<https://ui.example/p?a=1&amp;b=2|Open the batch in Dagster>" in shown.text
    else:
        assert "<!channel>" in shown.text, "the library escapes it for the service"
        assert shown.text.endswith("Open the batch in Dagster: https://ui.example/p?a=1&b=2")
