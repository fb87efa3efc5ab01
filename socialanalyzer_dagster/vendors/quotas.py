"""What vendors' headers say is left of their limits; a client lowers its rate when they say so (contracts 2)."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from socialanalyzer_dagster.domain.calls import Quota

Headers = Mapping[str, str]
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_BYTES_PER_TOKEN = 4


def openai_quotas(headers: Headers, model: str | None) -> tuple[Quota, ...]:
    """Requests, and tokens of the model where one was asked (contracts 7.3)."""
    found = [_openai(headers, "requests", None)]
    if model is not None:
        found.append(_openai(headers, "tokens", model))
    return tuple(quota for quota in found if quota is not None)


def _openai(headers: Headers, kind: str, model: str | None) -> Quota | None:
    remaining = whole_number(headers.get(f"x-ratelimit-remaining-{kind}"))
    reset = duration_seconds(headers.get(f"x-ratelimit-reset-{kind}", ""))
    if remaining is None or reset is None:
        return None
    limit = whole_number(headers.get(f"x-ratelimit-limit-{kind}"))
    return Quota(remaining=remaining, reset_seconds=reset, limit=limit, tokens_of=model)


def hubspot_quotas(headers: Headers, now: datetime) -> tuple[Quota, ...]:
    """The rolling window and the day, which ends at midnight; in which time zone the headers do not say (8.3)."""
    found = []
    remaining = whole_number(headers.get("x-hubspot-ratelimit-remaining"))
    interval = whole_number(headers.get("x-hubspot-ratelimit-interval-milliseconds"))
    if remaining is not None and interval is not None:
        limit = whole_number(headers.get("x-hubspot-ratelimit-max"))
        found.append(Quota(remaining=remaining, reset_seconds=interval / 1000, limit=limit))
    left = whole_number(headers.get("x-hubspot-ratelimit-daily-remaining"))
    if left is not None:
        limit = whole_number(headers.get("x-hubspot-ratelimit-daily"))
        found.append(Quota(remaining=left, reset_seconds=window_seconds_left(now, timedelta(days=1)), limit=limit))
    return tuple(found)


def window_seconds_left(now: datetime, length: timedelta) -> float:
    """Seconds to the end of the fixed window of this length, as Apollo and HubSpot count them."""
    return length.total_seconds() - now.timestamp() % length.total_seconds()


def whole_number(text: str | None) -> int | None:
    """The number of a header; None when it is absent or none."""
    return int(text) if text and re.fullmatch(r"-?\d{1,12}", text.strip()) else None


def duration_seconds(text: str) -> float | None:
    """Seconds of `6m0s`, `1h2m3.5s` or `12ms`; None for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if not text.strip() or match is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def expected_tokens(worst_units: Mapping[str, int], picture_tokens: int) -> int:
    """What a vendor that limits tokens will count for a request: text by its length, pictures, the longest answer.

    `worst_units` are the bounds of input and output, which count a byte of text as a token.
    """
    text = sum(count for key, count in worst_units.items() if key.endswith(".input")) - picture_tokens
    longest = sum(count for key, count in worst_units.items() if key.endswith(".output"))
    return -(-text // _BYTES_PER_TOKEN) + picture_tokens + longest
