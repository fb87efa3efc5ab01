"""The command line in this process, in a home of its own, against a sandbox on a free port."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from socialanalyzer_dagster import cli
from socialanalyzer_dagster.commands.instance import dagster_instance
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.sandbox.config import SandboxConfig, epoch_of_today
from socialanalyzer_dagster.sandbox.serve import running_sandbox
from socialanalyzer_dagster.settings import VARIABLES, Settings
from tests.invariants.eavesdropping import set_secrets

ROSTER = [{"name": "Kai Example", "owner_id": "70000001"}, {"name": "Noa Example", "owner_id": "70000002"}]
NO_SANDBOX = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The result; fails unless stdout is JSON and nothing else."""
        return json.loads(self.out)


@dataclass
class Terminal:
    """Runs commands and keeps what they print apart."""

    capture: pytest.CaptureFixture[str]
    home: Path

    def run(self, *arguments: str) -> Answer:
        self.capture.readouterr()
        code = cli.run(arguments)
        printed = self.capture.readouterr()
        return Answer(code, printed.out, printed.err)

    def json(self, *arguments: str) -> Any:
        answer = self.run(*arguments, "--json")
        assert answer.code == 0, answer.err
        return answer.json


def settle_in(environment: pytest.MonkeyPatch, home: Path, sandbox_url: str) -> None:
    for name in VARIABLES:
        environment.delenv(name, raising=False)
    environment.setenv("SOCIALANALYZER_HOME", str(home))
    environment.setenv("SOCIALANALYZER_SANDBOX_URL", sandbox_url)


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with its tables and its Dagster instance, to copy."""
    home = tmp_path_factory.mktemp("prepared") / "home"
    with pytest.MonkeyPatch.context() as environment:
        settle_in(environment, home, NO_SANDBOX)
        assert cli.run(["db", "upgrade"]) == 0
        with dagster_instance(Settings.from_environment()) as instance:
            instance.get_dynamic_partitions(str(LEAD_BATCHES.name))
    return home


@pytest.fixture
def terminal(
    prepared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """A fresh home and no sandbox: nothing answers at its address."""
    home = tmp_path / "home"
    shutil.copytree(prepared_home, home)
    settle_in(monkeypatch, home, NO_SANDBOX)
    return Terminal(capsys, home)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for the tests of a module, with its sandbox running, a roster loaded and every secret variable set."""
    home = tmp_path_factory.mktemp("shared") / "home"
    with (
        running_sandbox(SandboxConfig(home=home, port=0, epoch=epoch_of_today())) as url,
        pytest.MonkeyPatch.context() as environment,
    ):
        settle_in(environment, home, url)
        set_secrets(environment)
        roster = home / "roster.json"
        roster.write_text(json.dumps(ROSTER), encoding="utf-8")
        assert cli.run(["bdr", "load", str(roster)]) == 0
        assert cli.run(["crm", "setup"]) == 0
        yield home


@pytest.fixture
def shared(shared_home: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """The terminal of the module's home."""
    return Terminal(capsys, shared_home)
