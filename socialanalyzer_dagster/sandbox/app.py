"""The sandbox's ASGI application: every vendor under its prefix, the world's web, media and the control path."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from socialanalyzer_dagster.sandbox import admin, pages
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors import (
    apify,
    apollo,
    hubspot,
    insightiq,
    millionverifier,
    openai,
    r2,
    slack,
)
from socialanalyzer_dagster.sandbox.vendors.apify_wire import WIRE as APIFY
from socialanalyzer_dagster.sandbox.vendors.hubspot_wire import WIRE as HUBSPOT
from socialanalyzer_dagster.sandbox.vendors.insightiq_wire import WIRE as INSIGHTIQ
from socialanalyzer_dagster.sandbox.vendors.millionverifier_wire import WIRE as MILLIONVERIFIER
from socialanalyzer_dagster.sandbox.vendors.openai_wire import WIRE as OPENAI
from socialanalyzer_dagster.sandbox.wire import VendorWire, json_response, unknown_path

_Routes = Callable[[SandboxState], Sequence[BaseRoute]]
_VENDORS: tuple[tuple[VendorWire, _Routes], ...] = (
    (APIFY, apify.routes),
    (apollo.WIRE, apollo.routes),
    (HUBSPOT, hubspot.routes),
    (INSIGHTIQ, insightiq.routes),
    (MILLIONVERIFIER, millionverifier.routes),
    (OPENAI, openai.routes),
    (r2.WIRE, r2.routes),
    (slack.WIRE, slack.routes),
    (pages.WEB, pages.web_routes),
    (pages.MEDIA, pages.media_routes),
)
_EXACT_PATHS = frozenset({"r2", "web", "media"})
"""Prefixes below which a trailing slash means something."""


def app_of(state: SandboxState) -> Starlette:
    """The application of one sandbox over the state that its caller made, which is at ``app.state.sandbox`` too."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        state.store.commit()

    app = Starlette(routes=[Mount("/", app=_Dispatch(state))], lifespan=lifespan)
    app.state.sandbox = state
    return app


class _Dispatch:
    """Hands a request to the vendor its first path segment names."""

    def __init__(self, state: SandboxState) -> None:
        self._branches: dict[str, _Branch] = {"_sandbox": _Branch(admin.routes(state), _no_such_page, _no_such_page)}
        for wire, routes in _VENDORS:
            missing, not_allowed = unknown_path(state, wire), unknown_path(state, wire, 405)
            self._branches[wire.prefix.split("/")[1]] = _Branch(routes(state), missing, not_allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        segment = path.split("/", 2)[1]
        branch = self._branches.get(segment)
        if branch is None:
            await _no_such_page(scope, receive, send)
            return
        if segment not in _EXACT_PATHS and path.endswith("/"):
            scope["path"] = path.rstrip("/")
        await branch(scope, receive, send)


class _Branch:
    """The routes of one vendor; paths without placeholders are found in one look-up."""

    def __init__(self, routes: Sequence[BaseRoute], missing: ASGIApp, not_allowed: ASGIApp) -> None:
        self._plain: dict[tuple[str, str], Route] = {}
        self._routes = list(routes)
        self._missing = missing
        self._not_allowed = not_allowed
        for route in routes:
            if isinstance(route, Route) and "{" not in route.path:
                for method in route.methods or ():
                    self._plain.setdefault((method, route.path), route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plain = self._plain.get((scope["method"], scope["path"]))
        if plain is not None:
            scope["path_params"] = {}
            await plain.app(scope, receive, send)
            return
        is_known_path = False
        for route in self._routes:
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                scope.update(child_scope)
                await route.handle(scope, receive, send)
                return
            is_known_path = is_known_path or match is Match.PARTIAL
        await (self._not_allowed if is_known_path else self._missing)(scope, receive, send)


async def _no_such_page(scope: Scope, receive: Receive, send: Send) -> None:
    await json_response({"error": f"nothing is served at {scope['path']}"}, 404)(scope, receive, send)
