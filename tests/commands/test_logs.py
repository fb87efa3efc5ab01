"""Commands log to stderr in the level and form of the environment, and never an exception's text."""

import json
import logging

import pytest

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
