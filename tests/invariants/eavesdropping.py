"""Everything a run says or writes, gathered so that tests can look for what must not be there (I-61, I-68)."""

import logging
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select

from socialanalyzer_dagster import settings
from socialanalyzer_dagster.storage.attempts import unpacked
from socialanalyzer_dagster.storage.columns import Base
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.vendors.transport import is_loopback

WIRE_KEY = "hush-wire-4f1c"
"""The key that every vendor of the sandbox is sent; the sandbox takes any."""
SECRETS = {name: f"hush-{name.lower()}-0123-4f1c" for name in sorted(settings.SECRETS - {"DATABASE_URL"})}
SECRETS["HUBSPOT_WEBHOOK_URL"] = "https://hooks.example/hush-workflow-4f1c"
SECRETS["SLACK_WEBHOOK_URL"] = "https://hooks.example/hush-slack-4f1c/T0/B0/x0"
SECRETS["SMTP_URL"] = "smtps://user:hush-smtp-4f1c@mail.example?from=leads@ours.example"
SECRETS["NOTIFY_URLS"] = "ops=jsons://ops.example/hush-ops-4f1c"
SECRETS["DIGEST_TO"] = "team@ours.example"
"""Goes with a mail server."""
_HUSH = re.compile(r"hush-[\w-]*4f1c|[?&]api=|Basic aHVz")
_DOMAIN = re.compile(r"@(?!\d{4}-\d\d-\d\d\.)(?:[\w-]+\.)+[a-z]{2,}", re.IGNORECASE)
_LOCAL_PART = re.compile(r"[\w.+-]{1,64}\Z")
_PHONE = re.compile(r"\+1[\s.(-]*\d{3}[\s.)-]*\d{3}[\s.-]*\d{4}\b")


def secrets_in(text: str) -> set[str]:
    """Keys, and the query string that carries one."""
    return set(_HUSH.findall(text))


def contacts_in(text: str, known: Iterable[str] = ()) -> set[str]:
    """Addresses and phone numbers of creators, whether or not they are among those that the run found."""
    return {*_addresses_in(text), *_PHONE.findall(text), *(each for each in known if each in text)}


def _addresses_in(text: str) -> Iterator[str]:
    """Looked for at every at sign, of which megabytes of traces have few."""
    for domain in _DOMAIN.finditer(text):
        at = domain.start()
        if local_part := _LOCAL_PART.search(text[max(0, at - 64) : at]):
            yield local_part[0] + domain[0]


class _Ear(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.lines = lines
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def every_logger_at_debug() -> Iterator[list[str]]:
    """What all loggers of all libraries say while the block runs, each as talkative as it can be made."""
    libraries = ("httpx", "httpcore", "openai", "dagster", "sqlalchemy.engine", "asyncio", "botocore", "urllib3")
    names = [None, *libraries, *logging.root.manager.loggerDict]
    before = {name: logging.getLogger(name).level for name in names}
    lines: list[str] = []
    ear = _Ear(lines)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger().addHandler(ear)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(ear)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def set_secrets(environment: pytest.MonkeyPatch) -> None:
    """Set every secret variable but the database's, and a key for the sandbox's vendors that can be recognised."""
    for name, value in SECRETS.items():
        environment.setenv(name, value)
    environment.setattr(settings, "_SANDBOX_KEY", WIRE_KEY)


class OutsideReached(AssertionError):
    """A socket was led beyond this machine."""


@contextmanager
def only_loopback() -> Iterator[list[Any]]:
    """No socket of this process gets beyond this machine while the block runs; attempts raise and are listed."""
    attempts: list[Any] = []

    def guarded(name: str) -> Any:
        real = getattr(socket.socket, name)

        def call(self: socket.socket, *arguments: Any) -> Any:
            address = arguments[-1]
            if self.family != socket.AF_UNIX and not is_loopback(str(address[0])):
                attempts.append(address)
                raise OutsideReached(address)
            return real(self, *arguments)

        return call

    real_look_up = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and not is_loopback(name):
            attempts.append(name)
            raise OutsideReached(name)
        return real_look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as sockets:
        for name in ("connect", "connect_ex", "sendto"):
            sockets.setattr(socket.socket, name, guarded(name))
        sockets.setattr(socket, "getaddrinfo", look_up)
        yield attempts


@dataclass
class Traces:
    """Texts by where they were found."""

    texts: dict[str, str] = field(default_factory=dict)

    def add_tables(self, database: Database) -> None:
        """Every row of every table, packed bodies unpacked."""
        with database.read() as connection:
            for table in Base.metadata.sorted_tables:
                rows = connection.execute(select(table)).all()
                packed = {column.name for column in table.columns if isinstance(column.type, LargeBinary)}
                self.texts[f"table {table.name}"] = "\n".join(
                    str({
                        name: unpacked(value) if name in packed and value is not None else value
                        for name, value in row._mapping.items()
                    })
                    for row in rows
                )  # fmt: skip

    def add_files(self, folder: Path, *, without: Iterable[str] = ()) -> None:
        """Every file below a folder, bytes read as Latin-1 so that none is skipped."""
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_file() and not name.startswith(tuple(without)):
                self.texts[f"file {name}"] = path.read_bytes().decode("latin-1")

    def where(self, found: Any) -> dict[str, Any]:
        """Places in which `found(text)` finds something."""
        return {place: hits for place, text in self.texts.items() if (hits := found(text))}
