"""`sandbox`: every vendor from a simulated world; loads nothing of the pipeline."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from socialanalyzer_dagster.commands.output import notes
from socialanalyzer_dagster.sandbox.config import FaultLevel, SandboxConfig, Speed, epoch_of_today
from socialanalyzer_dagster.sandbox.limits import parse_limit
from socialanalyzer_dagster.sandbox.serve import SandboxServer
from socialanalyzer_dagster.settings import Settings

NAME = "sandbox"


def sandbox(
    *,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes any free port.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same world.")] = None,
    speed: Annotated[Speed | None, typer.Option(help="instant, or realistic latencies and limits.")] = None,
    faults: Annotated[FaultLevel | None, typer.Option(help="How often vendors misbehave.")] = None,
    home: Annotated[Path | None, typer.Option(help="Where its bill and CRM are kept.")] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="An account's own limit at realistic speed, such as openai.tokens=450000/60; repeatable."),
    ] = None,
) -> None:
    """Serve every vendor from a simulated world on this machine until Ctrl-C."""
    here = sandbox_config(Settings.from_environment())
    config = SandboxConfig(
        seed=here.seed if seed is None else seed,
        speed=speed or here.speed,
        faults=faults or here.faults,
        home=home or here.home,
        host=here.host,
        port=here.port if port is None else port,
        epoch=here.epoch,
        limits=tuple(_checked(each) for each in limit or ()),
    )
    server = SandboxServer(config)
    notes.print(
        f"sandbox at {server.base_url} (seed {config.seed}, {config.speed}, faults {config.faults}); Ctrl-C stops it"
    )
    with suppress(KeyboardInterrupt):
        server.run()


def _checked(limit: str) -> str:
    try:
        parse_limit(limit)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return limit


def sandbox_config(settings: Settings) -> SandboxConfig:
    """The sandbox this home wants at its address."""
    host, _, port = settings.sandbox_url.removeprefix("http://").partition("/")[0].partition(":")
    return SandboxConfig(
        seed=settings.sandbox_seed,
        speed=settings.sandbox_speed,
        faults=settings.sandbox_faults,
        home=settings.home,
        host=host,
        port=int(port or 80),
        epoch=epoch_of_today(),
    )
