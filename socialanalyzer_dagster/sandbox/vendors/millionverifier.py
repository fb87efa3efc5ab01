"""The simulated MillionVerifier: single verification and credits; every error is a 200 with an error text."""

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors import millionverifier_bulk
from socialanalyzer_dagster.sandbox.vendors.millionverifier_verdicts import verdict_on
from socialanalyzer_dagster.sandbox.vendors.millionverifier_wire import (
    CREDITS_AT_START,
    WIRE,
    credits_left,
    given_key,
    single_body,
    use_credit,
)
from socialanalyzer_dagster.sandbox.wire import Call, endpoint, json_response
from socialanalyzer_dagster.sandbox.world.dice import Dice

TEST_KEY = "API_KEY_FOR_TEST"
_CODES = {"ok": 1, "catch_all": 2, "unknown": 3, "error": 4, "disposable": 5, "invalid": 6, "unverified": 3}
_TEST_RESULTS = {
    "_OK": "ok",
    "_CATCH_ALL": "catch_all",
    "_INVALID": "invalid",
    "_UNKOWN": "unknown",
    "_DISPOSABLE": "disposable",
    "_UNVERIFIED": "unverified",
}
_TEST_ERRORS = {
    "_ERROR_NO_EMAIL": "No email specified",
    "_ERROR_NO_APIKEY": "No apikey specified",
    "_ERROR_INVALID_APIKEY": "Apikey not found",
    "_ERROR_INSUFFICIENT_CREDITS": "Insufficient credits",
    "_ERROR_IP_ADDRESS_BLOCKED": "IP address blocked",
    "_ERROR_INTERNAL_ERROR": "Internal error",
}
_SHORTEST_TIMEOUT, _LONGEST_TIMEOUT = 2, 60


def routes(state: SandboxState) -> list[Route]:
    """Return the routes of the single and the bulk API, which share one prefix here."""
    single = [
        endpoint(state, WIRE, operation="single", path="/api/v3", handler=_single),
        endpoint(state, WIRE, operation="credits", path="/api/v3/credits", handler=_credits),
    ]
    return single + millionverifier_bulk.routes(state)


def _single(call: Call) -> Response:
    email, key = call.query.get("email", "").strip(), given_key(call)
    if key.startswith(TEST_KEY):
        return _test_answer(call, key.removeprefix(TEST_KEY), email)
    if not email:
        return json_response(single_body(email, error="No email specified"))
    if call.fault == "out_of_credits" or credits_left(call.state) <= 0:
        return json_response(single_body(email, error="insufficient_credits"))
    problem = _timeout_problem(call.query.get("timeout", "20"))
    if problem:
        return json_response(single_body(email, error=problem))
    forced = call.fault.removeprefix("result_") if call.fault and call.fault.startswith("result_") else None
    use_credit(call.state)
    call.state.bill.charge("millionverifier", "single", {"email_verifier.single": 1})
    return json_response(_verified(call, email, forced, is_live=True))


def _verified(call: Call, email: str, forced: str | None, *, is_live: bool) -> dict[str, Any]:
    verdict = verdict_on(call.state, email, forced)
    return {
        **single_body(email, error=""),
        "quality": verdict.quality,
        "result": verdict.result,
        "resultcode": _CODES.get(verdict.result, 4),
        "subresult": verdict.result,
        "free": verdict.free,
        "role": verdict.role,
        "credits": credits_left(call.state) if is_live else CREDITS_AT_START,
        "executiontime": Dice(call.state.config.seed, "verify", email).between(0, 4),
        "livemode": is_live,
    }


def _test_answer(call: Call, suffix: str, email: str) -> Response:
    if suffix in _TEST_ERRORS:
        return json_response({**single_body(email, error=_TEST_ERRORS[suffix]), "livemode": False})
    if suffix and suffix not in _TEST_RESULTS:
        return json_response(single_body(email, error="Apikey not found"))
    drawn = Dice(call.state.config.seed, "test key", email, call.ordinal).pick(sorted(_TEST_RESULTS.values()))
    return json_response(_verified(call, email, _TEST_RESULTS.get(suffix, drawn), is_live=False))


def _timeout_problem(text: str) -> str:
    if text.isdigit() and _SHORTEST_TIMEOUT <= int(text) <= _LONGEST_TIMEOUT:
        return ""
    return f"timeout must be a whole number from {_SHORTEST_TIMEOUT} to {_LONGEST_TIMEOUT}"


def _credits(call: Call) -> Response:
    if given_key(call).startswith(TEST_KEY):
        return json_response({"error": "apikey_not_found"})
    left = 0 if call.fault == "out_of_credits" else credits_left(call.state)
    return json_response({"credits": left, "bulk_credits": left, "renewing_credits": 0, "plan": "none"})
