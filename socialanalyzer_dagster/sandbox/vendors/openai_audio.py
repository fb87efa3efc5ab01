"""Transcriptions: what somebody says in a video, from the truth of the creator whose media bytes were uploaded."""

import math
from fractions import Fraction

from starlette.responses import PlainTextResponse, Response

from socialanalyzer_dagster.sandbox.media import MediaMark, movie_seconds, read_mark
from socialanalyzer_dagster.sandbox.prices import TRANSCRIPTION_MODELS
from socialanalyzer_dagster.sandbox.vendors.openai_wire import RefusedError, base_model, multipart_parts
from socialanalyzer_dagster.sandbox.wire import Call, json_response
from socialanalyzer_dagster.sandbox.world import texts
from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.niches import BY_KEY

_LARGEST_BYTES = 25 * 1024 * 1024
_SUFFIXES = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_UNKNOWN_TEXT = "Hello and welcome. Thank you for listening."
_UNKNOWN_SECONDS = 12.0
_SECONDS_PER_SENTENCE = 8


def transcriptions(call: Call) -> Response:
    """``POST /audio/transcriptions``: the spoken text, billed by exact seconds / 60."""
    parts = multipart_parts(call)
    upload = parts.get("file")
    if upload is None or "model" not in parts:
        raise RefusedError(400, "Missing required parameter: 'file' and 'model' are needed.", param="file")
    model = base_model(parts["model"].body.decode())
    wanted = parts["response_format"].body.decode() if "response_format" in parts else "json"
    _check(model, upload.filename or "", upload.body, wanted)
    mark = read_mark(upload.body)
    seconds = _seconds(upload.body, mark)
    text = _spoken(call, mark, seconds)
    call.state.bill.charge(
        "openai", "transcriptions", {f"openai.{model}": Fraction(str(seconds)) / 60}, reference=call.fingerprint
    )
    return _shaped(text, seconds, wanted)


def _check(model: str, filename: str, body: bytes, wanted: str) -> None:
    if model not in TRANSCRIPTION_MODELS:
        raise RefusedError(400, "The model is not a transcription model.", param="model")
    if len(body) > _LARGEST_BYTES:
        raise RefusedError(413, f"Maximum content size limit ({_LARGEST_BYTES}) exceeded ({len(body)} bytes read)")
    if filename.rpartition(".")[2].lower() not in _SUFFIXES or not body:
        raise RefusedError(400, f"Invalid file format. Supported formats: {list(_SUFFIXES)}", param="file")
    if wanted not in _FORMATS:
        raise RefusedError(400, f"response_format must be one of {list(_FORMATS)}", param="response_format")


def _seconds(body: bytes, mark: MediaMark | None) -> float:
    """The movie header's length, else the mark's, else a fixed one."""
    told = movie_seconds(body)
    if told is not None:
        return told
    return mark.seconds if mark is not None and mark.seconds > 0 else _UNKNOWN_SECONDS


def _spoken(call: Call, mark: MediaMark | None, seconds: float) -> str:
    creator = None if mark is None else call.state.world.creator(mark.platform, mark.handle)
    if creator is None or mark is None:
        return _UNKNOWN_TEXT
    dice = Dice(call.state.config.seed, "speech", creator.uid, mark.code)
    sentences = max(1, math.ceil(seconds / _SECONDS_PER_SENTENCE))
    return " ".join(texts.caption_body(dice, BY_KEY[creator.niche], creator.truth) for _ in range(sentences))


def _shaped(text: str, seconds: float, wanted: str) -> Response:
    if wanted == "text":
        return PlainTextResponse(text + "\n")
    if wanted in ("srt", "vtt"):
        head = "WEBVTT\n\n" if wanted == "vtt" else "1\n"
        return PlainTextResponse(f"{head}00:00:00.000 --> 00:00:{min(59, int(seconds)):02d}.000\n{text}\n")
    body: dict[str, object] = {"text": text, "usage": {"type": "duration", "seconds": seconds}}
    if wanted == "verbose_json":
        body |= {"task": "transcribe", "language": "english", "duration": seconds, "segments": []}
    return json_response(body)
