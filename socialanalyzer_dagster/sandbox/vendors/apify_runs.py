"""Runs of the simulated Apify: starting one (its work is done and billed at once), its states, and its body."""

import base64
import binascii
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.apify_actors import items_shown
from socialanalyzer_dagster.sandbox.vendors.apify_wire import (
    USER_ID,
    RefusedError,
    number_parameter,
    refuse_by_plan,
    whole_parameter,
)
from socialanalyzer_dagster.sandbox.vendors.apify_work import Actor, Item
from socialanalyzer_dagster.sandbox.wire import Call
from socialanalyzer_dagster.sandbox.world.dice import base62

JsonObject = dict[str, Any]

RUNS, DATASETS = "apify.run", "apify.dataset"
TERMINAL = frozenset({"SUCCEEDED", "FAILED", "TIMED-OUT", "ABORTED"})
START_EVENT = "actor-start"

_PRICED_SINCE = "2026-01-01T00:00:00.000Z"
_MESSAGES = {
    "SUCCEEDED": "Finished",
    "FAILED": "The Actor process failed",
    "TIMED-OUT": "The Actor run timed out",
    "ABORTED": "The Actor run was aborted",
    "READY": "Waiting to start",
    "RUNNING": "Running",
}
_ENDS = {"run_failed": "FAILED", "run_timed_out": "TIMED-OUT", "run_aborted": "ABORTED", "job_stuck": "RUNNING"}


@dataclass(frozen=True)
class Options:
    """The options of a run, from the query."""

    build: str
    timeout_seconds: int
    memory_mbytes: int
    max_items: int | None
    max_total_charge_usd: float | None

    def body(self) -> JsonObject:
        """Return them as the run shows them."""
        return {
            "build": self.build,
            "timeoutSecs": self.timeout_seconds,
            "memoryMbytes": self.memory_mbytes,
            "diskMbytes": self.memory_mbytes * 2,
            "maxItems": self.max_items,
            "maxTotalChargeUsd": self.max_total_charge_usd,
        }


def start_run(call: Call, actor: Actor) -> JsonObject:
    """Start a run: check, work, bill, keep; raises `RefusedError`. Returns the kept row."""
    given = _given_input(call, actor)
    options = _options(call)
    refuse_by_plan(call)
    _check_webhooks(call)
    _check_charge_cap(call.state, actor, options)
    items, end, is_capped = _done(call, actor, options, given)
    run_id = call.state.mint_base62(RUNS, call.fingerprint)
    events = {actor.event: sum(item.events for item in items)} | ({START_EVENT: 1} if actor.start_key else {})
    priced = {_price_key(actor, event): count for event, count in events.items() if count}
    micros = call.state.bill.charge("apify", "run_start", priced, reference=run_id).micros if priced else 0
    row = {
        "id": run_id,
        "actor": actor.id,
        "options": options.body(),
        "started_at": call.state.clock.iso(),
        "wall_time": time.time(),
        "finished_at": None,
        "status": "READY",
        "end": end,
        "polls_left": call.state.config.switches.apify_run_polls,
        "events": events,
        "micros": micros,
        "input_bytes": len(call.body),
        "is_capped": is_capped,
    }
    call.state.store.put(DATASETS, dataset_id(call.state, run_id), [item.body for item in items])
    call.state.store.put(RUNS, run_id, row)
    return row


def _done(call: Call, actor: Actor, options: Options, given: JsonObject) -> tuple[list[Item], str, bool]:
    """Return what a run puts into its dataset, the status it ends in, and whether a cap ended it."""
    items, is_capped = _capped(call, actor, options, items_shown(actor, call.state.world, given, call.fault))
    end = _ENDS.get(call.fault or "", "SUCCEEDED")
    if end != "SUCCEEDED":
        return items[: len(items) // 2], end, is_capped
    if is_capped and call.state.config.switches.apify_cap_aborts:
        return items, "ABORTED", is_capped
    return items, end, is_capped


def advance(call: Call, row: JsonObject, *, waits: bool) -> JsonObject:
    """Move a run on by one look at it: READY, RUNNING for some looks, then its end (at once when the caller waits)."""
    if row["status"] in TERMINAL:
        return row
    if not waits and row["polls_left"] > 0:
        moved = {**row, "status": "RUNNING", "polls_left": row["polls_left"] - 1}
    else:
        moved = finished(call, row, row["end"])
    call.state.store.put(RUNS, row["id"], moved)
    return moved


def finished(call: Call, row: JsonObject, status: str) -> JsonObject:
    """Return the row with this status, and the time of the end when it is one."""
    return {**row, "status": status, "finished_at": call.state.clock.iso() if status in TERMINAL else None}


def dataset_id(state: SandboxState, run_id: str) -> str:
    """Return the id of a run's default dataset."""
    return base62(17, state.config.seed, "dataset", run_id)


def run_body(state: SandboxState, actor: Actor, row: Mapping[str, Any]) -> JsonObject:
    """Return a run as Apify shows it (contracts 4.1)."""
    is_over = row["status"] in TERMINAL
    message = _MESSAGES[row["status"]]
    if is_over and row["is_capped"]:
        message = "The maximum of charged items or cost was reached"
    return {
        **short_body(state, row),
        "statusMessage": message,
        "isStatusMessageTerminal": is_over,
        "stats": _stats(row),
        "options": row["options"],
        "exitCode": (0 if row["status"] == "SUCCEEDED" else 91) if is_over else None,
        "generalAccess": "FOLLOW_USER_SETTING",
        "pricingInfo": pricing(state, actor),
        "chargedEventCounts": row["events"] if row["status"] != "READY" else dict.fromkeys(row["events"], 0),
    }


def short_body(state: SandboxState, row: Mapping[str, Any]) -> JsonObject:
    """Return a run as the list of runs shows it."""
    run_id, seed = row["id"], state.config.seed
    return {
        "id": run_id,
        "actId": row["actor"],
        "userId": USER_ID,
        "startedAt": row["started_at"],
        "finishedAt": row["finished_at"],
        "status": row["status"],
        "meta": {"origin": "API"},
        "buildId": base62(17, "build", row["actor"]),
        "buildNumber": "0.0.1",
        "defaultKeyValueStoreId": base62(17, seed, "store", run_id),
        "defaultDatasetId": dataset_id(state, run_id),
        "defaultRequestQueueId": base62(17, seed, "queue", run_id),
        "usageTotalUsd": row["micros"] / 1_000_000 if row["status"] != "READY" else 0.0,
    }


def pricing(state: SandboxState, actor: Actor) -> JsonObject:
    """Return what an actor charges per event."""
    events = {actor.event: _event(state, actor.event, actor.price_key, is_once=False)}
    if actor.start_key is not None:
        events[START_EVENT] = _event(state, START_EVENT, actor.start_key, is_once=True)
    return {
        "pricingModel": "PAY_PER_EVENT",
        "apifyMarginPercentage": 0.2,
        "createdAt": _PRICED_SINCE,
        "startedAt": _PRICED_SINCE,
        "pricingPerEvent": {"actorChargeEvents": events},
        "minimalMaxTotalChargeUsd": float(_least_charge_micros(state, actor)) / 1_000_000,
    }


def _event(state: SandboxState, event: str, price_key: str, *, is_once: bool) -> JsonObject:
    return {
        "eventTitle": event,
        "eventDescription": f"Charged for each {event}",
        "eventPriceUsd": float(state.bill.price_micros(price_key)) / 1_000_000,
        "isOneTimeEvent": is_once,
    }


def _stats(row: Mapping[str, Any]) -> JsonObject:
    return {
        "inputBodyLen": row["input_bytes"],
        "restartCount": 0,
        "resurrectCount": 0,
        "computeUnits": 0.01,
        "runTimeSecs": 0 if row["status"] == "READY" else 3.2,
    }


def _given_input(call: Call, actor: Actor) -> JsonObject:
    try:
        given = call.json()
    except ValueError:
        raise RefusedError(400, "run-input-body-not-valid-json", "The input is not valid JSON") from None
    problem = actor.input.problem({} if given is None else given)
    if problem:
        raise RefusedError(400, "invalid-input", f"Input is not valid: {problem}")
    return dict(given or {})


def _options(call: Call) -> Options:
    memory = whole_parameter(call, "memory", 1024)
    if memory < 128 or memory & (memory - 1):
        raise RefusedError(400, "invalid-input", "Parameter memory must be a power of 2, at least 128")
    max_items = whole_parameter(call, "maxItems", 0) if call.query.get("maxItems") else None
    return Options(
        build=call.query.get("build", "latest"),
        timeout_seconds=whole_parameter(call, "timeout", 3600),
        memory_mbytes=memory,
        max_items=max_items,
        max_total_charge_usd=number_parameter(call, "maxTotalChargeUsd"),
    )


def _check_webhooks(call: Call) -> None:
    text = call.query.get("webhooks")
    if not text:
        return
    try:
        hooks = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise RefusedError(400, "invalid-input", "Parameter webhooks must be a base64 JSON list") from None
    if not isinstance(hooks, list) or not all(isinstance(hook, dict) and hook.get("requestUrl") for hook in hooks):
        raise RefusedError(400, "invalid-input", "Every webhook needs a requestUrl")


def _least_charge_micros(state: SandboxState, actor: Actor) -> int:
    keys = [actor.price_key, *([actor.start_key] if actor.start_key else [])]
    return state.bill.quote(dict.fromkeys(keys, 1))


def _check_charge_cap(state: SandboxState, actor: Actor, options: Options) -> None:
    cap_micros = _cap_micros(options)
    if cap_micros is not None and cap_micros < _least_charge_micros(state, actor):
        message = "maxTotalChargeUsd is lower than what this Actor charges for its least result"
        raise RefusedError(400, "max-total-charge-usd-below-minimum", message)


def _cap_micros(options: Options) -> int | None:
    """Return the whole micro-dollars that a run may charge."""
    cap = options.max_total_charge_usd
    return None if cap is None else int(Decimal(str(cap)) * 1_000_000)


def _capped(call: Call, actor: Actor, options: Options, items: Iterator[Item]) -> tuple[list[Item], bool]:
    """Return the items that fit into `maxItems` and `maxTotalChargeUsd`, and whether there were more."""
    cap_micros = _cap_micros(options)
    fixed = {} if actor.start_key is None else {actor.start_key: 1}
    taken: list[Item] = []
    events = 0
    for item in items:
        if options.max_items and len(taken) >= options.max_items:
            return taken, True
        cost = call.state.bill.quote({**fixed, actor.price_key: events + item.events})
        if cap_micros is not None and cost > cap_micros:
            return taken, True
        taken.append(item)
        events += item.events
    return taken, False


def _price_key(actor: Actor, event: str) -> str:
    return actor.start_key if event == START_EVENT and actor.start_key is not None else actor.price_key
