"""The official slack_sdk works against the sandbox."""

from slack_sdk import WebhookClient

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.slack import messages


def test_a_message_is_taken_and_kept(base_url: str, state: SandboxState) -> None:
    client = WebhookClient(f"{base_url}/slack/services/T000/B000/XXXX")
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*412* leads scored"}}]
    answer = client.send(text="412 leads scored", blocks=blocks)
    assert (answer.status_code, answer.body) == (200, "ok")
    [kept] = messages(state)
    assert kept["payload"]["blocks"] == blocks


def test_an_empty_message_is_refused_in_plain_text(base_url: str, state: SandboxState) -> None:
    answer = WebhookClient(f"{base_url}/slack/services/T000/B000/XXXX").send(text="")
    assert (answer.status_code, answer.body) == (400, "no_text")
    assert messages(state) == []
