"""Every command exists, explains itself and ends with the right exit code (issue 2, section 7; I-42)."""

import pytest

from socialanalyzer_dagster import cli

COMMANDS = (
    "demo", "sandbox", "doctor", "dev", "prices list", "prices confirm", "bdr list", "bdr load", "bdr activate",
    "bdr deactivate", "crm setup", "suppress add", "suppress list", "db upgrade", "db status", "platforms",
    "presets list", "presets show", "presets save", "presets delete", "batch create", "batch run", "batch show",
    "batch list", "batch stop", "batch set-cap", "batch plan", "batch approve", "batch reject", "batch confirm",
    "batch retry", "batch release", "leads list", "leads show", "leads export", "policy show", "policy validate",
    "policy activate", "rescore", "ledger show", "list preview",
)  # fmt: skip
WITHOUT_A_RESULT = {"sandbox", "dev"}
OPTIONS = {
    "batch create": (
        "--preset", "--platform", "--filters", "--list", "--max-leads", "--max-spend", "--stop-at-cap", "--yes",
        "--canary", "--idempotency-key", "--force", "--bdr", "--note",
    ),
    "batch run": ("--from", "--to"),
    "batch set-cap": ("--max-spend",),
    "batch stop": ("--by", "--reason"),
    "batch approve": ("--by", "--comment"),
    "batch reject": ("--by", "--reason"),
    "prices confirm": ("--usd", "--by"),
    "leads list": ("--batch", "--stage", "--result", "--tier", "--limit", "--after"),
    "leads export": ("--csv", "--batch", "--out"),
    "rescore": ("--batch", "--policy"),
    "sandbox": ("--port", "--seed", "--speed", "--faults", "--home"),
    "dev": ("--port",),
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
    root = typer.main.get_command(cli.app)
    for name, command in root.commands.items():
        nested = getattr(command, "commands", None)
        found |= {f"{name} {each}" for each in nested} if nested is not None else {name}
    assert found == set(COMMANDS)


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["batch", "approve", "KEY"], ["leads", "list", "--limit", "x"]]
)
def test_wrong_usage_is_bad_input_with_a_sentence(arguments, capsys):
    assert cli.run(arguments) == cli.BAD_INPUT
    printed = capsys.readouterr()
    assert printed.err.strip()
    assert printed.out == ""
