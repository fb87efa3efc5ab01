"""`metrics serve` as Prometheus sees it: text over HTTP, on this machine, and up 0 instead of an invented figure."""

import socket
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from socialanalyzer_dagster.commands import metrics
from socialanalyzer_dagster.commands.metrics import Figures
from socialanalyzer_dagster.pipeline.metrics import Family
from tests.commands.conftest import Terminal


def test_a_scrape_reads_the_database_and_says_so(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told: dict[str, bytes] = {}

    class Interrupt:
        def wait(self) -> None:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                told["text"] = answer.read()
            raise KeyboardInterrupt

    monkeypatch.setattr(metrics, "Stop", Interrupt)
    answer = terminal.run("metrics", "serve", "--port", str(port))
    assert (answer.code, answer.out) == (0, "")
    assert f"metrics at http://127.0.0.1:{port}/metrics" in answer.err
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(told["text"].decode())
        for sample in family.samples
    }
    assert samples["socialanalyzer_up",] == 1
    assert samples["socialanalyzer_queued_batches",] == 0
    assert samples["socialanalyzer_breaker", "closed", "openai"] == 1


def test_a_database_that_does_not_answer_is_told_as_such_and_asked_again_later(caplog) -> None:
    answers: list[list[Family] | Exception] = [
        OperationalError("SELECT", {}, Exception("secret")), [Family(name="x", help="X.", samples=(((), 3),))]
    ]  # fmt: skip

    def read() -> list[Family]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    registry = CollectorRegistry()
    registry.register(Figures(read, refresh_seconds=0))
    assert b"socialanalyzer_up 0.0" in generate_latest(registry)
    assert "secret" not in caplog.text
    text = generate_latest(registry)
    assert b"socialanalyzer_up 1.0" in text
    assert b"socialanalyzer_x 3.0" in text


def test_a_second_scrape_within_the_time_asks_nobody() -> None:
    asked: list[int] = []
    registry = CollectorRegistry()
    registry.register(Figures(lambda: asked.append(1) or [], refresh_seconds=1000))
    for _ in range(3):
        generate_latest(registry)
    assert asked == [1]
