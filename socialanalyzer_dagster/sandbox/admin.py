"""The control path ``/_sandbox/...``: the bill, hidden truths, fault switches, the state and the clock."""

import dataclasses
import json
import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.fault_kinds import VENDOR_KINDS
from socialanalyzer_dagster.sandbox.faults import GENERIC_KINDS, fault_from_json
from socialanalyzer_dagster.sandbox.state import SandboxState, home_text
from socialanalyzer_dagster.sandbox.wire import json_response

_MOST_ROWS = 10_000


def routes(state: SandboxState) -> list[Route]:
    """The administration's routes; they are never billed, limited or hit by faults."""
    board = _Board(state)
    table: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
        ("GET", "/ledger", board.ledger),
        ("GET", "/truth/{platform}/{identity:path}", board.truth),
        ("GET", "/faults", board.faults),
        ("PUT", "/faults", board.replace_faults),
        ("POST", "/faults", board.add_fault),
        ("DELETE", "/faults", board.reset_faults),
        ("GET", "/faults/log", board.fault_log),
        ("GET", "/state", board.show),
        ("PUT", "/state", board.move_clock),
        ("POST", "/reset", board.reset),
    )
    return [Route("/_sandbox" + path, handler, methods=[method]) for method, path, handler in table]


class _Board:
    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def ledger(self, request: Request) -> Response:
        """Totals, requests by operation, tokens counted by model; with ``?rows=N[&after=n]`` also the bill's rows."""
        answer: dict[str, Any] = self._state.bill.summary()
        wanted = _wanted(request, "0")
        if wanted is None:
            return _bad("rows and after are whole numbers")
        limit, after = wanted
        if limit:
            answer["rows"] = self._state.bill.rows(limit=limit, after=after)
        answer["requests"] = dict(sorted(self._state.calls.items()))
        answer["throttled"] = dict(sorted(self._state.throttled.items()))
        answer["tokens"] = dict(sorted(self._state.limits.tokens.items()))
        return json_response(answer)

    async def truth(self, request: Request) -> Response:
        """The hidden truth of one creator by handle, vanity, slug or number."""
        platform, identity = request.path_params["platform"], request.path_params["identity"]
        found = self._state.world.truth(platform, identity)
        if found is None:
            return json_response({"error": f"the world has no {platform} creator {identity!r}"}, 404)
        return json_response(found)

    async def faults(self, request: Request) -> Response:
        """The switches that are on, the generic kinds, and how often each fault was shown."""
        return json_response(self._fault_document())

    async def replace_faults(self, request: Request) -> Response:
        """Replace all switches by a JSON list; an empty list turns every fault off."""
        try:
            body = json.loads(await request.body())
            if not isinstance(body, list):
                return _bad("a list of switches is expected")
            switches = [fault_from_json(item) for item in body]
        except ValueError as error:
            return _bad(str(error))
        self._state.faults.set(switches)
        return json_response(self._fault_document())

    async def add_fault(self, request: Request) -> Response:
        """Put one switch in front of the others."""
        try:
            switch = fault_from_json(json.loads(await request.body()))
        except ValueError as error:
            return _bad(str(error))
        self._state.faults.add(switch)
        return json_response(self._fault_document(), 201)

    async def reset_faults(self, request: Request) -> Response:
        """Back to the switches of the level the sandbox was started with."""
        self._state.faults.reset()
        return json_response(self._fault_document())

    async def fault_log(self, request: Request) -> Response:
        """Which requests a fault hit, oldest first: ``?rows=N[&after=n]``, all that are kept without."""
        wanted = _wanted(request, str(_MOST_ROWS))
        if wanted is None:
            return _bad("rows and after are whole numbers")
        limit, after = wanted
        rows = [dataclasses.asdict(entry) for entry in self._state.fault_log.rows(limit=limit, after=after)]
        return json_response({"total": self._state.fault_log.total, "rows": rows})

    async def show(self, request: Request) -> Response:
        """What this sandbox is: seed, speed, faults, home, clock, and what it has been asked so far."""
        return json_response(self._state_document())

    async def move_clock(self, request: Request) -> Response:
        """``{"clock": "<ISO moment>"}`` sets the clock, ``{"advance_seconds": n}`` moves it."""
        try:
            body = json.loads(await request.body())
            if "clock" in body:
                self._state.clock.set(datetime.fromisoformat(body["clock"]))
            elif "advance_seconds" in body:
                self._state.clock.advance(float(body["advance_seconds"]))
            else:
                return _bad("clock or advance_seconds is expected")
        except (ValueError, TypeError) as error:
            return _bad(str(error))
        self._state.store.commit()
        return json_response(self._state_document())

    async def reset(self, request: Request) -> Response:
        """Forget bill, rows and counted calls; the world itself stays."""
        self._state.reset()
        return json_response(self._state_document())

    def _fault_document(self) -> dict[str, Any]:
        return {
            "level": self._state.config.faults,
            "switches": [dataclasses.asdict(switch) for switch in self._state.faults.switches],
            "shown": dict(sorted(self._state.faults.shown.items())),
            "generic_kinds": GENERIC_KINDS,
            "vendor_kinds": VENDOR_KINDS,
        }

    def _state_document(self) -> dict[str, Any]:
        config = self._state.config
        return {
            "sandbox": "socialanalyzer",
            "pid": os.getpid(),
            "seed": config.seed,
            "speed": config.speed,
            "faults": config.faults,
            "home": home_text(config.home),
            "epoch": self._state.world.epoch.isoformat(),
            "clock": self._state.clock.now().isoformat(),
            "switches": dataclasses.asdict(config.switches),
            "creators_made": self._state.world.generated,
            "requests": dict(sorted(self._state.calls.items())),
            "unknown_paths": dict(sorted(self._state.unknown_paths.items())),
        }


def _wanted(request: Request, rows: str) -> tuple[int, int] | None:
    """How many rows, and after which number; None when the request does not say it in whole numbers."""
    asked = request.query_params.get("rows", rows), request.query_params.get("after", "0")
    return (min(int(asked[0]), _MOST_ROWS), int(asked[1])) if all(map(str.isdigit, asked)) else None


def _bad(message: str) -> Response:
    return json_response({"error": message}, 400)
