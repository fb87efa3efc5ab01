"""Every command exists, explains itself and ends with the right exit code (issue 2, section 7; I-42)."""

import subprocess
import sys
from pathlib import Path

import pytest

from socialanalyzer_dagster import cli
from socialanalyzer_dagster.commands.endings import BAD_INPUT, FAILED

COMMANDS = (
    "demo", "sandbox", "simulate", "doctor", "dev", "prices list", "prices confirm", "bdr list", "bdr load",
    "bdr activate",
    "bdr deactivate", "day plan", "day show", "crm setup", "suppress add", "suppress list", "db upgrade", "db status",
    "platforms",
    "presets list", "presets show", "presets save", "presets schedule", "presets delete", "batch create", "batch run",
    "batch show",
    "batch log", "batch list", "batch stop", "batch set-cap", "batch plan", "batch approve", "batch reject",
    "batch confirm", "batch retry", "batch release", "leads list", "leads show", "leads export", "policy show",
    "policy validate", "policy activate", "policy diff", "policy list", "policy preview", "rescore",
    "ledger show", "list preview",
    "keywords suggest", "leads correct", "suppress lift", "privacy erase", "privacy export", "privacy notice",
    "privacy notices", "privacy origin", "privacy requests", "batch change",
    "rules list", "rules log", "rules simulate", "rules questions", "rules answer",
    "batch undo", "leads override", "crm reconcile", "health reset", "ledger reconcile", "ledger settle",
    "notify channels", "notify list", "notify test", "notify send", "notify again", "notify drop",
    "batch work", "db backup", "db restore",
    "logs", "metrics serve",
)  # fmt: skip
WITHOUT_A_RESULT = {"sandbox", "dev", "metrics serve"}
OPTIONS = {
    "batch create": (
        "--preset", "--platform", "--filters", "--list", "--max-leads", "--max-spend", "--stop-at-cap", "--yes",
        "--canary", "--idempotency-key", "--force", "--bdr", "--note",
    ),
    "batch run": ("--from", "--to"),
    "batch work": ("--until-idle", "--every"),
    "batch set-cap": ("--max-spend",),
    "batch stop": ("--by", "--reason"),
    "batch approve": ("--by", "--comment"),
    "batch reject": ("--by", "--reason"),
    "batch change": ("--by", "--reason", "--max-spend", "--exclude", "--bdr", "--tier-floor", "--filters"),
    "batch plan": ("--fields", "--dry-run"),
    "batch undo": ("--by", "--yes", "--plan"),
    "leads override": ("--tier", "--remove", "--reason", "--by"),
    "prices confirm": ("--usd", "--by"),
    "leads list": ("--batch", "--stage", "--result", "--tier", "--limit", "--after"),
    "leads export": ("--csv", "--batch", "--out"),
    "rescore": ("--batch", "--policy"),
    "rules log": ("--days", "--batch", "--checks"),
    "rules simulate": ("--days", "--policy"),
    "rules answer": ("--by", "--reason", "--max-spend", "--max-leads", "--filters"),
    "presets schedule": ("--platform", "--cron", "--clear", "--by"),
    "notify again": ("--held", "--by"),
    "notify drop": ("--held", "--by"),
    "keywords suggest": ("--platform", "--keywords", "--preset", "--filters"),
    "suppress lift": ("--by", "--reason", "--kind"),
    "leads correct": ("--field", "--value", "--by", "--reason"),
    "privacy export": ("--by", "--kind", "--out"),
    "privacy erase": ("--by", "--reason", "--kind"),
    "privacy notice": ("--by", "--sent", "--contacted", "--at"),
    "sandbox": ("--port", "--seed", "--speed", "--faults", "--home"),
    "dev": ("--port",),
    "logs": ("--level", "--grep", "--limit"),
    "metrics serve": ("--port", "--host", "--refresh"),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.run([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage" in text
    missing = [option for option in OPTIONS.get(command, ()) if option not in text]
    assert missing == []
    assert ("--json" in text) == (command not in WITHOUT_A_RESULT)


def test_no_command_is_left_out_of_this_list():
    import typer.main

    found = set()
    root = typer.main.get_command(cli.program())
    for name, command in root.commands.items():
        nested = getattr(command, "commands", None)
        found |= {f"{name} {each}" for each in nested} if nested is not None else {name}
    assert found == set(COMMANDS)


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["batch", "approve", "KEY"], ["leads", "list", "--limit", "x"]]
)
def test_wrong_usage_is_bad_input_with_a_sentence(arguments, capsys):
    assert cli.run(arguments) == BAD_INPUT
    printed = capsys.readouterr()
    assert printed.err.strip()
    assert printed.out == ""


@pytest.fixture
def embedded(tmp_path, monkeypatch):
    """A fresh home on SQLite."""
    monkeypatch.setenv("SOCIALANALYZER_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path


def test_a_file_that_is_no_database_is_named_as_such(embedded, capsys):
    (embedded / "socialanalyzer.db").write_text("something else, long enough to have a header\n" * 9)
    assert cli.run(["batch", "list"]) == FAILED
    assert "no database" in capsys.readouterr().err


@pytest.mark.parametrize("filters", ["[" * 100_000, '{"keywords": ["hiking"], "keywords": ["yoga"]}', "{nope", "[1]"])
def test_filters_that_are_no_plain_object_are_bad_input(embedded, capsys, filters):
    path = embedded / "filters.json"
    path.write_text(filters)
    assert cli.run(["batch", "create", "--platform", "facebook", "--filters", f"@{path}"]) == BAD_INPUT
    printed = capsys.readouterr()
    assert printed.err.startswith("filters")
    assert printed.out == ""


def test_every_command_is_in_the_operating_guide():
    guide = (Path(__file__).parent.parent / "docs" / "operating.md").read_text(encoding="utf-8")
    groups = [command.split() for command in COMMANDS]
    missing = [" ".join(words) for words in groups if not all(word in guide for word in words)]
    assert missing == []


def test_serving_the_sandbox_loads_nothing_of_the_pipeline():
    code = (
        "import sys; from socialanalyzer_dagster import cli; cli.run(['sandbox', '--help']); "
        "print([name for name in sys.modules if name in {'dagster', 'alembic', 'sqlalchemy', 'openpyxl'} "
        "or name.startswith(('socialanalyzer_dagster.pipeline', 'socialanalyzer_dagster.storage'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert run.stdout.splitlines()[-1] == "[]"
