"""The simulated OpenAI: which path does what; models are listed here, everything else has its own module."""

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from socialanalyzer_dagster.sandbox.state import SandboxState
from socialanalyzer_dagster.sandbox.vendors import openai_batches, openai_files
from socialanalyzer_dagster.sandbox.vendors.openai_audio import transcriptions
from socialanalyzer_dagster.sandbox.vendors.openai_chat import chat_completions
from socialanalyzer_dagster.sandbox.vendors.openai_embeddings import embeddings
from socialanalyzer_dagster.sandbox.vendors.openai_responses import responses
from socialanalyzer_dagster.sandbox.vendors.openai_wire import MODELS, WIRE, answering, base_model
from socialanalyzer_dagster.sandbox.wire import Call, endpoint, json_response

_RELEASED_AT = 1_715_367_049


def routes(state: SandboxState) -> list[Route]:
    """The routes of all OpenAI calls."""
    table = (
        ("chat_completions", "POST", "/chat/completions", chat_completions),
        ("embeddings", "POST", "/embeddings", embeddings),
        ("transcriptions", "POST", "/audio/transcriptions", transcriptions),
        ("responses", "POST", "/responses", responses),
        ("files", "POST", "/files", openai_files.upload),
        ("files", "GET", "/files/{file_id}", openai_files.describe),
        ("files", "DELETE", "/files/{file_id}", openai_files.delete),
        ("files", "GET", "/files/{file_id}/content", openai_files.content),
        ("batch_create", "POST", "/batches", openai_batches.create),
        ("batches", "GET", "/batches", openai_batches.listing),
        ("batches", "GET", "/batches/{batch_id}", openai_batches.describe),
        ("batches", "POST", "/batches/{batch_id}/cancel", openai_batches.cancel),
        ("models", "GET", "/models", _models),
        ("models", "GET", "/models/{model}", _model),
    )
    return [
        endpoint(state, WIRE, operation=operation, path=path, handler=answering(handler), methods=(method,))
        for operation, method, path, handler in table
    ]


def _models(call: Call) -> Response:
    return json_response({"object": "list", "data": [_description(name) for name in MODELS]})


def _model(call: Call) -> Response:
    base_model(call.path_params["model"])
    return json_response(_description(call.path_params["model"]))


def _description(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _RELEASED_AT, "owned_by": "system"}
