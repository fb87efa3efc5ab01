"""`db`, `doctor` and `dev`: what the pipeline runs on."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Annotated

import typer
from rich.console import Console

from socialanalyzer_dagster.commands.office import (
    PROJECT,
    answering_sandbox,
    needs_preparing,
    open_office,
    prepare_home,
)
from socialanalyzer_dagster.commands.output import AsJson, emit, notes, shortened
from socialanalyzer_dagster.pipeline.doctor import Finding, Health, examine
from socialanalyzer_dagster.settings import Settings, SettingsError, inherited_environment
from socialanalyzer_dagster.storage import schema
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.connect import connect_vendors

db_app = typer.Typer(help="The pipeline's own tables.", no_args_is_help=True)

_STOP_SECONDS = 20
_DETAIL_CHARS = 120
_MARKS = {Health.OK: "green", Health.WARNING: "yellow", Health.OFF: "dim", Health.PROBLEM: "red"}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("doctor")(doctor)
    app.command("dev")(dev)
    app.add_typer(db_app, name="db")


@db_app.command("upgrade")
def db_upgrade(*, as_json: AsJson = False) -> None:
    """Bring the database to this version, store the first policy, prepare DAGSTER_HOME; safe to repeat."""
    settings = Settings.from_environment()
    database = Database(settings.database_url.get_secret_value())
    try:
        status = prepare_home(settings, database)
        if not database.is_sqlite:
            from socialanalyzer_dagster.commands.instance import create_tables_of_dagster

            create_tables_of_dagster(settings)
    finally:
        database.dispose()
    _emit_status(status, as_json=as_json)


@db_app.command("status")
def db_status(*, as_json: AsJson = False) -> None:
    """Which revision the database is at, and which this version needs."""
    settings = Settings.from_environment()
    database = Database(settings.database_url.get_secret_value())
    try:
        status = schema.status(database)
    finally:
        database.dispose()
    _emit_status(status, as_json=as_json)


def _emit_status(status: schema.SchemaStatus, *, as_json: bool) -> None:
    result = {"current": status.current, "head": status.head, "is_current": status.is_current}
    emit(result, as_json=as_json, text=lambda console: console.print(status.sentence))


def doctor(*, as_json: AsJson = False) -> int:
    """Look at everything a batch needs: settings, database, store, vendors, CRM, prices, roster. Spends nothing."""
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        return _emit_findings([Finding("settings", Health.PROBLEM, each) for each in error.problems], {}, as_json)
    database = Database(settings.database_url.get_secret_value())
    with ExitStack() as stack:
        stack.callback(database.dispose)
        if settings.is_sandbox:
            if needs_preparing(database):
                prepare_home(settings, database)
            stack.enter_context(answering_sandbox(settings))
        findings = asyncio.run(_examined(settings, database))
    return _emit_findings(findings, dict(settings.describe()), as_json)


async def _examined(settings: Settings, database: Database) -> list[Finding]:
    vendors = connect_vendors(settings)
    try:
        return await examine(settings, database, vendors)
    finally:
        await vendors.close()


def _emit_findings(findings: list[Finding], variables: dict[str, bool], as_json: bool) -> int:
    healthy = all(each.health is not Health.PROBLEM for each in findings)

    def text(console: Console) -> None:
        given = [name for name, is_set in variables.items() if is_set]
        console.print(f"set: {', '.join(given) or 'nothing'}")
        console.print(f"not set: {', '.join(sorted(set(variables) - set(given))) or 'nothing'}", "")
        for each in findings:
            console.print(f"[{_MARKS[each.health]}]{each.health:8}[/] {each.subject}: ", end="")
            console.print(shortened(each.detail, _DETAIL_CHARS), markup=False)

    emit({"healthy": healthy, "settings": variables, "findings": findings}, as_json=as_json, text=text)
    return 0 if healthy else 1


def dev(*, port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000) -> int:
    """Serve the Dagster UI and daemon on 127.0.0.1, with the sandbox running, until Ctrl-C."""
    with open_office(needs_vendors=True) as office:
        settings = office.settings
        places = served_places(settings, port)
        command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
        notes.print(f"Dagster UI: http://127.0.0.1:{port}  (Ctrl-C stops it)")
        command += ["-w", str(PROJECT / "workspace.yaml")]
        with interrupted_by(signal.SIGINT, signal.SIGTERM):
            child = subprocess.Popen(  # noqa: S603 - our own interpreter
                command, cwd=settings.home, env=inherited_environment(places), start_new_session=True
            )
            try:
                return child.wait()
            except KeyboardInterrupt:
                return _stopped(child)
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)


def served_places(settings: Settings, port: int) -> dict[str, str]:
    """The variables that tell the served UI and daemon where they are; live contacts never link to this machine.

    They work in the home, where no `.env` is: Dagster would let one win over the environment.
    """
    places = {"DAGSTER_HOME": str(settings.dagster_home), "SOCIALANALYZER_HOME": str(settings.home)}
    files = {"POLICY_PATH": settings.policy_path, "BDR_ROSTER_PATH": settings.bdr_roster_path}
    places |= {name: str(path.absolute()) for name, path in files.items() if path is not None}
    if settings.is_sandbox and "SOCIALANALYZER_UI_URL" not in settings.variables_set:
        places["SOCIALANALYZER_UI_URL"] = f"http://127.0.0.1:{port}"
    return places


@contextmanager
def interrupted_by(*signals: signal.Signals) -> Iterator[None]:
    """Each of these signals interrupts the block as Ctrl-C does, also where it was ignored before."""
    before = {one: signal.signal(one, signal.default_int_handler) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _stopped(child: "subprocess.Popen[bytes]") -> int:
    """Ask the child to end as Ctrl-C would, and wait for it; 0 when it ended."""
    child.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(_STOP_SECONDS)
    return 0 if child.poll() is not None else 1
