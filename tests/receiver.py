"""A service on this machine that takes messages over HTTP: what arrived, and what it answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NO_ANSWER = 0


@dataclass
class Receiver:
    """`answers` are the statuses to come, NO_ANSWER closes the connection after reading; then 200 for ever."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    arrived: list[dict[str, Any]] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.arrived]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver at an Apprise address `json://...`, listening while the block runs."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.arrived.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status = receiver.answers.pop(0) if receiver.answers else 200
            if status != NO_ANSWER:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            self.close_connection = True

        def log_message(self, *_args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        receiver.url = f"json://127.0.0.1:{server.server_port}/hook"
        yield receiver
        server.shutdown()
        thread.join()
