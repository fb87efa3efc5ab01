"""`metrics serve`: figures of the pipeline for Prometheus, on this machine unless another address is asked for."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from socialanalyzer_dagster.commands.office import open_office
from socialanalyzer_dagster.commands.output import notes
from socialanalyzer_dagster.pipeline.metrics import Family, read_metrics

app = typer.Typer(help="Figures for monitoring.", no_args_is_help=True)

Stop = threading.Event
"""What the command waits for; only an interrupt ends it."""
_LOG = logging.getLogger(__name__)
_PREFIX = "socialanalyzer_"


@app.callback()
def about_metrics() -> None:
    """Figures for monitoring."""


@app.command("serve")
def serve(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 9464,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    refresh: Annotated[int, typer.Option(min=1, metavar="SECONDS", help="Read the database at most so often.")] = 15,
) -> None:
    """Serve Prometheus metrics, read from the database alone, until Ctrl-C."""
    with open_office() as office:
        registry = CollectorRegistry()
        registry.register(Figures(lambda: read_metrics(office.workplace()), refresh_seconds=refresh))
        server, _ = start_http_server(port, host, registry)
        notes.print(f"metrics at http://{host}:{server.server_port}/metrics; Ctrl-C stops it", markup=False)
        with suppress(KeyboardInterrupt):
            Stop().wait()
        server.shutdown()
        server.server_close()


class Figures(Collector):
    """The metrics as Prometheus asks for them; while the database does not answer there is `up 0` and nothing else."""

    def __init__(self, read: Callable[[], list[Family]], *, refresh_seconds: int) -> None:
        self._read = read
        self._refresh_seconds = refresh_seconds
        self._reading = threading.Lock()
        self._families: list[Family] | None = None
        self._read_at = -float(refresh_seconds)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: registering must not read the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every family with its samples."""
        families = self._fresh()
        yield GaugeMetricFamily(f"{_PREFIX}up", "1 while the database answers.", float(families is not None))
        for family in families or ():
            gauge = GaugeMetricFamily(_PREFIX + family.name, family.help, labels=family.labels)
            for labels, figure in family.samples:
                gauge.add_metric(labels, figure)
            yield gauge

    def _fresh(self) -> list[Family] | None:
        with self._reading:
            if time.monotonic() - self._read_at >= self._refresh_seconds:
                try:
                    self._families = self._read()
                except SQLAlchemyError as error:
                    _LOG.warning("no metrics, because the database does not answer: %s", type(error).__name__)
                    self._families = None
                self._read_at = time.monotonic()
            return self._families
