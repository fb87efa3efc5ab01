"""Commands log to stderr in the level and form of the environment, and never an exception's text."""

import json
import logging

import pytest

from socialanalyzer_dagster.domain.log_fields import FIELDS, logged_as
from socialanalyzer_dagster.pipeline.logs import configure_logs
from socialanalyzer_dagster.settings import Settings

LOGGER = logging.getLogger("socialanalyzer_dagster.pipeline.gate_parts")


@pytest.fixture(autouse=True)
def _logs_as_before():
    package = logging.getLogger("socialanalyzer_dagster")
    handlers, level = list(package.handlers), package.level
    yield
    package.handlers[:] = handlers
    package.setLevel(level)


def test_json_lines_by_default(capsys):
    for _ in range(2):
        configure_logs(Settings.from_environment({}))
    try:
        int("private")
    except ValueError:
        LOGGER.exception("a lead failed in %s", "names:7")
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["level"], told["message"], told["exception"]) == ("ERROR", "a lead failed in names:7", "ValueError")
    assert "private" not in line


def test_text_and_level_as_asked(capsys):
    configure_logs(Settings.from_environment({"LOG_FORMAT": "text", "LOG_LEVEL": "ERROR"}))
    LOGGER.warning("unheard")
    LOGGER.error("heard")
    assert capsys.readouterr().err == "ERROR socialanalyzer_dagster.pipeline.gate_parts: heard\n"


def test_a_record_names_the_place_it_comes_from(capsys):
    configure_logs(Settings.from_environment({}))
    with logged_as(batch_id="b", platform="x", attempt=2), logged_as(stage="screened", lead_uid=None):
        LOGGER.warning("hm")
    told = json.loads(capsys.readouterr().err)
    known = {"batch_id": "b", "stage": "screened", "platform": "x", "attempt": 2}
    assert {name: told[name] for name in FIELDS} == {**dict.fromkeys(FIELDS), **known}
    configure_logs(Settings.from_environment({"LOG_FORMAT": "text"}))
    with logged_as(step="L"):
        LOGGER.warning("hm")
    assert capsys.readouterr().err == "WARNING socialanalyzer_dagster.pipeline.gate_parts: hm step=L\n"


@pytest.mark.parametrize(("given", "lines"), [({}, 1), ({"LOG_LEVEL": "INFO"}, 2)])
def test_at_a_terminal_progress_is_told_by_bars_unless_a_level_is_asked_for(capsys, monkeypatch, given, lines):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    configure_logs(Settings.from_environment(given))
    LOGGER.info("a stage begins")
    LOGGER.warning("hm")
    assert len(capsys.readouterr().err.splitlines()) == lines
