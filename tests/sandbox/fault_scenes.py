"""What to ask a vendor so that a fault of one of its calls can be seen: preparations, and the requests that show it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx

from socialanalyzer_dagster.sandbox.media import avatar_path, signed_url
from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors.insightiq_wire import INSTAGRAM, USA
from socialanalyzer_dagster.sandbox.wire import Call, Request

BASE = "http://sandbox.test"
BASIC = {"Authorization": "Basic YTpi"}
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/x, Signature=abc"}
APOLLO = {"x-api-key": "key"}
_EXPORT = "/insightiq/v1/social/creators/profiles/search-export"
_CONTENTS = "/insightiq/v1/social/creators/contents/fetch"
_RUNS = "/apify/v2/actors/apify~instagram-profile-scraper/runs"
_BULK = "/millionverifier/bulkapi/v2"
_CONTACTS = "/hubspot/crm/v3/objects/contacts"
_CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
_SCHEMA = {
    "type": "object", "properties": {"confidence": {"type": "number", "minimum": 0, "maximum": 1}},
    "required": ["confidence"], "additionalProperties": False,
}  # fmt: skip


@dataclass
class Town:
    """One sandbox, a client of it, and what earlier requests of a scene left behind."""

    state: SandboxState
    client: httpx.AsyncClient

    def handles(self, count: int) -> list[str]:
        return [self.state.world.instagram(index).handle for index in range(count)]


Step: TypeAlias = Callable[[Town, Any], Awaitable[Any]]


@dataclass(frozen=True)
class Scene:
    """`prepare` runs without a fault; `act` gives the answers in which the fault must be seen."""

    act: Step
    prepare: Step | None = None


def seen(*answers: httpx.Response) -> list[tuple[int, Any]]:
    """What a client sees of answers, without moments and ids that differ from request to request."""
    headers = ("location", "content-type", "x-apify-pagination-total", "retry-after")
    return [(one.status_code, [one.headers.get(name) for name in headers], one.content) for one in answers]


async def _search_export(town: Town, _made: Any) -> Any:
    job = await _started_export(town, None)
    return seen(*[await town.client.get(f"{_EXPORT}/{job}", headers=BASIC) for _ in range(2)])


async def _started_export(town: Town, _made: Any) -> str:
    body = {
        "work_platform_id": INSTAGRAM, "max_results": 6, "follower_count": {"min": 20_000, "max": 900_000},
        "creator_locations": [USA], "sort_by": {"field": "FOLLOWER_COUNT", "order": "DESCENDING"},
    }  # fmt: skip
    answer = await town.client.post(_EXPORT, json=body, headers=BASIC)
    return str(answer.json()["id"])


async def _ended_export(town: Town, _made: Any) -> str:
    job = await _started_export(town, None)
    await town.client.get(f"{_EXPORT}/{job}", headers=BASIC)
    return job


async def _second_page(town: Town, job: str) -> Any:
    return seen(await town.client.get(f"{_EXPORT}/{job}?limit=3&offset=3", headers=BASIC))


async def _contents(town: Town, _made: Any) -> Any:
    url = f"https://www.instagram.com/{town.handles(1)[0]}"
    body = {"profile_url": url, "work_platform_id": INSTAGRAM}
    return seen(await town.client.post(_CONTENTS, json=body, headers=BASIC))


async def _run(town: Town, _made: Any) -> dict[str, Any]:
    answer = await town.client.post(_RUNS, json={"usernames": town.handles(6)}, params={"waitForFinish": 20})
    return dict(answer.json().get("data") or {"refused": answer.json()})


async def _run_and_items(town: Town, _made: Any) -> Any:
    run = await _run(town, None)
    if "refused" in run:
        return run
    items = await town.client.get(f"/apify/v2/datasets/{run['defaultDatasetId']}/items")
    return run["status"], seen(items)


async def _run_read(town: Town, run: dict[str, Any]) -> Any:
    return seen(await town.client.get(f"/apify/v2/actor-runs/{run['id']}"))


async def _items(town: Town, run: dict[str, Any]) -> Any:
    path = f"/apify/v2/datasets/{run['defaultDatasetId']}/items?offset=3&limit=3"
    return seen(await town.client.get(path))


async def _run_sync(town: Town, _made: Any) -> Any:
    path = "/apify/v2/actors/apify~instagram-profile-scraper/run-sync-get-dataset-items"
    return seen(await town.client.post(path, json={"usernames": town.handles(2)}))


async def _limits(town: Town, _made: Any) -> Any:
    return seen(await town.client.get("/apify/v2/users/me/limits"))


async def _match(town: Town, _made: Any) -> Any:
    pages = map(town.state.world.patreon, range(2_000))
    params = [{"domain": str(page.domain)} for page in pages if page.domain][:16]
    asked = [await town.client.post("/apollo/api/v1/people/match", params=one, headers=APOLLO) for one in params]
    return seen(*asked)


async def _verify(town: Town, _made: Any) -> Any:
    return seen(await town.client.get("/millionverifier/api/v3?api=key&email=ada@trail.example"))


async def _uploaded(town: Town, _made: Any) -> str:
    files = {"file_contents": ("leads.csv", "email\nada@trail.example\n")}
    return str((await town.client.post(f"{_BULK}/upload?key=key", files=files)).json()["file_id"])


async def _file(town: Town, file_id: str) -> Any:
    path = f"{_BULK}/fileinfo?key=key&file_id={file_id}"
    return [(await town.client.get(path)).json()["status"] for _ in range(3)]


async def _properties(town: Town, _made: Any) -> None:
    uid = {
        "name": "creator_uid", "label": "Creator", "type": "string", "fieldType": "text",
        "groupName": "contactinformation", "hasUniqueValue": True,
    }  # fmt: skip
    await town.client.post("/hubspot/crm/v3/properties/contacts", json=uid)
    await _upsert(town, None, firstname="Ada", lastname="Low")


async def _upsert(town: Town, _made: Any, **values: str) -> Any:
    inputs = [
        {"id": uid, "idProperty": "creator_uid", "objectWriteTraceId": uid, "properties": values or {"city": "Oslo"}}
        for uid in ("a", "b")
    ]
    inputs.append({**inputs[0], "id": "c", "objectWriteTraceId": "c", "properties": {"no_such_property": "x"}})
    answer = await town.client.post(f"{_CONTACTS}/batch/upsert", json={"inputs": inputs})
    read = await town.client.get(f"{_CONTACTS}/a?idProperty=creator_uid&properties=firstname")
    return answer.status_code, answer.json(), read.json()


async def _search_contacts(town: Town, _made: Any) -> Any:
    body = {"query": "", "limit": 2, "after": 2, "sorts": [{"propertyName": "createdate", "direction": "DESCENDING"}]}
    newest = {**body, "after": 0}
    asked = [await town.client.post(f"{_CONTACTS}/search", json=one) for one in (body, newest)]
    return seen(*asked)


async def _message(town: Town, _made: Any) -> Any:
    return seen(await town.client.post("/slack/services/T/B/X", json={"text": "hello"}))


async def _chat(town: Town, _made: Any) -> Any:
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": _SCHEMA}}
    body = {**_CHAT, "response_format": wanted}
    return seen(await town.client.post("/openai/v1/chat/completions", json=body))


async def _ordered_batch(town: Town, _made: Any) -> str:
    import json

    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": _CHAT}
    lines = "\n".join(json.dumps({**line, "custom_id": str(number)}) for number in range(4))
    upload = {"file": ("in.jsonl", lines.encode()), "purpose": (None, "batch")}
    file_id = (await town.client.post("/openai/v1/files", files=upload)).json()["id"]
    order = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return str((await town.client.post("/openai/v1/batches", json=order)).json()["id"])


async def _batch(town: Town, batch_id: str) -> Any:
    return [(await town.client.get(f"/openai/v1/batches/{batch_id}")).json()["status"] for _ in range(6)]


async def _page(town: Town, _made: Any) -> Any:
    creator = next(one for one in map(town.state.world.patreon, range(50)) if one.domain is not None)
    return seen(await town.client.get(f"/web/https/www.{creator.domain}/about"))


async def _media(town: Town, _made: Any) -> Any:
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"sandbox.test")],
        "scheme": "http", "server": ("sandbox.test", 80), "root_path": "",
    }  # fmt: skip
    call = Call(town.state, Request(scope), b"", "f", 1)
    return seen(await town.client.get(signed_url(call, avatar_path(town.state.world.instagram(0)))))


async def _stored_object(town: Town, _made: Any) -> None:
    await town.client.put("/r2/leads/a", content=b"picture of a hill", headers=SIGNED)


async def _object(town: Town, _made: Any) -> Any:
    return seen(await town.client.get("/r2/leads/a", headers=SIGNED))


SCENES: dict[tuple[str, str], Scene] = {
    ("insightiq", "search_export"): Scene(_search_export),
    ("insightiq", "search_export_poll"): Scene(_second_page, _ended_export),
    ("insightiq", "contents_fetch"): Scene(_contents),
    ("apify", "run_start"): Scene(_run_and_items),
    ("apify", "actor_run"): Scene(_run_read, _run),
    ("apify", "run_sync"): Scene(_run_sync),
    ("apify", "dataset_items"): Scene(_items, _run),
    ("apify", "user_limits"): Scene(_limits),
    ("apollo", "people_match"): Scene(_match),
    ("millionverifier", "single"): Scene(_verify),
    ("millionverifier", "bulk_fileinfo"): Scene(_file, _uploaded),
    ("hubspot", "batch_upsert"): Scene(_upsert, _properties),
    ("hubspot", "search"): Scene(_search_contacts, _properties),
    ("slack", "webhook"): Scene(_message),
    ("openai", "chat_completions"): Scene(_chat),
    ("openai", "batches"): Scene(_batch, _ordered_batch),
    ("web", "page"): Scene(_page),
    ("media", "media"): Scene(_media),
    ("r2", "get_object"): Scene(_object, _stored_object),
}
PLAIN: dict[str, str] = {
    "insightiq": "contents_fetch", "apify": "user_limits", "apollo": "people_match", "millionverifier": "single",
    "hubspot": "search", "slack": "webhook", "openai": "chat_completions", "web": "page", "media": "media",
    "r2": "get_object",
}  # fmt: skip
"""The call of each vendor on which the faults are tried that every call can show."""
