"""The fault kinds that only one vendor shows: what each does, for the people who set switches."""

from collections.abc import Mapping

VENDOR_KINDS: Mapping[str, Mapping[str, str]] = {
    "insightiq": {
        "job_failed": "search_export: the job fails and is not billed; a poll: the job says it has failed",
        "job_cut_short": "search_export: the job fails with half of its profiles, billed",
        "job_stuck": "a poll: the job stays in progress",
        "short_page": "search_export_poll: half of the page",
        "repeated_page": "search_export_poll: the page before once more",
        "total_changes": "search_export_poll: another total",
        "injected_bio": "search_export_poll: every bio also tells a model what to answer",
        "empty_contents": "contents_fetch: an empty list, billed",
    },
    "apify": {
        "run_failed": "run_start: the run ends as FAILED with half of its items, billed",
        "run_timed_out": "run_start: the run ends as TIMED-OUT with half of its items, billed",
        "run_aborted": "run_start: the run ends as ABORTED with half of its items, billed",
        "job_stuck": "run_start: the run never ends; half of its items are billed",
        "usage_lags": "actor_run, run_abort: half of the cost is shown so far",
        "empty_dataset": "run_start: SUCCEEDED with no item",
        "refusal_row": "run_start: SUCCEEDED with one row that says the run was refused",
        "demo_rows": "run_start: SUCCEEDED with ten demo rows, billed",
        "plan_error": "run_start: 402, too little usage left",
        "monthly_limit": "run_start: 402, the monthly limit is too low",
        "paid_plan_required": "run_start: 402, a paid plan is needed",
        "memory_limit": "run_start: 402, too much memory in use",
        "concurrency_limit": "run_start: 402, too many runs at once",
        "sync_timeout": "run_sync: 408 after the run was billed",
        "short_page": "dataset_items: half of the page",
        "repeated_page": "dataset_items: the page before once more",
        "total_changes": "dataset_items: another total",
        "injected_bio": "dataset_items: every description also tells a model what to answer",
        "usage_spent": "user_limits: the month's usage is used up",
    },
    "apollo": {
        "placeholder_email": "a found person whose address is locked, billed",
        "no_match": "nobody is found",
        "hour_limit": "429, the hour's window is used up",
        "day_limit": "429, the day's window is used up",
    },
    "millionverifier": {
        "result_catch_all": "single: the result is catch_all",
        "result_unknown": "single: the result is unknown",
        "out_of_credits": "single, credits, bulk_upload: no credits are left",
        "job_stuck": "bulk_fileinfo: the file stays in progress",
        "job_failed": "bulk_fileinfo: the file ends in an error",
    },
    "hubspot": {
        "partial": "a batch: the first record is put off (RATE_LIMITS), the others are done",
        "missing_record": "a batch: all is done, but the last record stands in neither list",
        "whole_refusal": "a batch: refused as a whole (400 or 409) when one record would be, nothing done",
        "pending": "a batch: all is done, but the answer says PENDING",
        "upsert_blanks_omitted": "batch_upsert: properties that are not sent are cleared",
        "locked": "423, nothing done",
        "conflict": "409, nothing done",
        "migrating": "477 with Retry-After, nothing done",
        "ten_secondly_limit": "429 of the ten-second window",
        "secondly_limit": "429 of the search window",
        "daily_limit": "429 of the day",
        "search_lags": "search: records written in the last ten seconds are not found",
        "short_page": "search: half of the page",
        "repeated_page": "search: the page before once more",
        "total_changes": "search: another total",
    },
    "slack": {
        "channel_not_found": "404",
        "no_active_hooks": "404",
        "channel_is_archived": "410",
        "team_disabled": "403",
        "user_not_found": "400",
    },
    "openai": {
        "out_of_money": "chat_completions: 429, the quota is used up",
        "refusal": "chat_completions: the model refuses",
        "content_filter": "chat_completions: the answer was filtered",
        "length": "chat_completions: the answer was cut at the token limit",
        "invalid_json": "chat_completions: the answer is not JSON",
        "out_of_range": "chat_completions: a number is out of its range",
        "batch_stuck": "batches: the batch stays in progress",
        "batch_expired": "batches: the batch expires with a part of its results",
    },
    "web": {
        "private_redirect": "a redirect to a private address",
    },
    "media": {
        "expired_media": "403, the address has expired",
        "private_redirect": "a redirect to a private address",
        "very_large": "a very large body",
        "wrong_content_type": "text/html over the right bytes",
    },
}
"""Vendor -> kind -> what it does; the operation it belongs to comes first where there is one."""


def is_vendor_kind(vendor: str, kind: str) -> bool:
    """Say whether a vendor (`*` = any) shows a kind of its own by this name."""
    vendors = VENDOR_KINDS.values() if vendor == "*" else [VENDOR_KINDS.get(vendor, {})]
    return any(kind in kinds for kinds in vendors)
