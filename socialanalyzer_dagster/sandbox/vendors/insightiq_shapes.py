"""Bodies of the simulated InsightIQ: profiles of the two searches, content items, and the bits they share."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from socialanalyzer_dagster.sandbox.media import avatar_path, signed_url
from socialanalyzer_dagster.sandbox.vendors.insightiq_wire import INSTAGRAM, work_platform
from socialanalyzer_dagster.sandbox.wire import Call
from socialanalyzer_dagster.sandbox.world.dice import hash64
from socialanalyzer_dagster.sandbox.world.models import InstagramCreator, Post

JsonObject = dict[str, Any]

_LINK_TYPES = ("tiktok", "youtube", "facebook", "patreon", "twitter")


def image_url(call: Call, creator: InstagramCreator) -> str:
    """Return the signed address of a profile picture."""
    return signed_url(call, avatar_path(creator))


def contact_details(creator: InstagramCreator) -> list[JsonObject]:
    """Return what the provider lists of a creator; it writes the types in lower or upper case (contracts 3.3)."""
    found = [("email", creator.contact.listed_email), ("phone", creator.contact.phone)]
    found += [(name, getattr(creator.links, name)) for name in _LINK_TYPES]
    found.append(("linktree", creator.links.aggregator))
    is_upper = hash64("contact type", creator.uid) % 2 == 0
    return [{"type": name.upper() if is_upper else name, "value": value} for name, value in found if value]


def _shared_profile(call: Call, creator: InstagramCreator) -> JsonObject:
    return {
        "work_platform": work_platform(call, INSTAGRAM),
        "platform_username": creator.handle,
        "url": creator.url,
        "image_url": image_url(call, creator),
        "full_name": creator.display_name,
        "introduction": creator.bio,
        "is_verified": creator.is_verified,
        "platform_account_type": creator.account_type,
        "gender": creator.gender,
        "age_group": creator.age_group,
        "language": creator.language,
        "follower_count": creator.follower_count,
        "subscriber_count": 0,
        "content_count": creator.post_count,
        "engagement_rate": creator.engagement_rate,
    }


def _location(creator: InstagramCreator) -> JsonObject:
    return {"city": creator.place.city, "state": creator.place.state, "country": creator.place.country}


def export_profile(call: Call, creator: InstagramCreator, *, published: bool, page: Mapping[str, int]) -> JsonObject:
    """Return a row of a search export in the practised shape, or in the published one (contracts 3.3)."""
    details = contact_details(creator)
    profile = {**_shared_profile(call, creator), "location": _location(creator), "contact_details": details}
    if not published:
        return profile
    first = {"type": details[0]["type"].upper(), "value": details[0]["value"]} if details else None
    metadata = {name: str(value) for name, value in page.items()}
    return without_nulls({**profile, "contact_details": first, "metadata": metadata})


def search_profile(call: Call, creator: InstagramCreator) -> JsonObject:
    """Return a row of the synchronous search, where nearly every key is required and text is never null."""
    profile = {
        **_shared_profile(call, creator),
        "average_likes": creator.average_likes,
        "average_views": creator.average_views,
        "creator_location": _location(creator),
        "contact_details": contact_details(creator),
    }
    profile["creator_location"] = {name: value or "" for name, value in _location(creator).items()}
    return {name: "" if value is None else value for name, value in profile.items()}


def basic_profile(call: Call, creator: InstagramCreator) -> JsonObject:
    """Return the answer of GET profiles (contracts 3.4)."""
    links = [url for url in (creator.links.website, creator.links.aggregator) if url]
    profile = {
        **_shared_profile(call, creator),
        "external_id": creator.id,
        "platform_profile_id": creator.id,
        "following_count": creator.following_count,
        "total_view_count": creator.average_views * creator.post_count,
        "is_business": creator.account_type == "BUSINESS",
        "is_private": creator.is_private,
        "category": creator.interests[0] if creator.interests else None,
        "profile_links": [{"url": url} for url in links],
    }
    return without_nulls(profile)


def content_items(call: Call, creator: InstagramCreator, posts: Iterable[Post], *, published: bool) -> list[JsonObject]:
    """Return content items; in the published shape without the keys and nulls that its schema lacks."""
    platform, profile = work_platform(call, INSTAGRAM), content_profile(call, creator)
    items = [{**_item(call, post), "work_platform": platform, "profile": profile} for post in posts]
    return [_published_item(item) for item in items] if published else items


def _item(call: Call, post: Post) -> JsonObject:
    counts = post.engagement
    engagement = {
        "like_count": counts.likes,
        "comment_count": counts.comments,
        "view_count": counts.views,
        "share_count": counts.shares,
    }
    item: JsonObject = {
        "platform_content_id": post.id,
        "url": post.url,
        "type": post.kind,
        "format": post.format,
        "title": post.title,
        "description": post.caption,
        "published_at": post.published_at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00"),
        "duration": post.duration_seconds,
        "engagement": {name: value for name, value in engagement.items() if value is not None},
        "media_url": signed_url(call, post.media_path()),
        "thumbnail_url": signed_url(call, post.thumbnail_path()),
        "is_pinned": post.is_pinned,
        "likes_and_views_disabled": post.hides_counts,
        "hashtags": list(post.hashtags),
        "mentions": [],
    }
    if post.format == "COLLECTION":
        media = [{"media_url": signed_url(call, post.media_path(child))} for child in range(post.children)]
        item["content_group_media"] = media
    return item


def content_profile(call: Call, creator: InstagramCreator) -> JsonObject:
    """Return the profile that comes with every content item."""
    return {
        "platform_username": creator.handle,
        "url": creator.url,
        "image_url": image_url(call, creator),
        "full_name": creator.display_name,
        "introduction": creator.bio,
        "follower_count": creator.follower_count,
        "subscriber_count": 0,
        "is_verified": creator.is_verified,
        "is_private": creator.is_private,
    }


def private_item(call: Call, creator: InstagramCreator, *, published: bool) -> JsonObject:
    """Return the only row of a private account: no content, but a profile that says why."""
    row = {"work_platform": work_platform(call, INSTAGRAM), "profile": content_profile(call, creator)}
    return without_nulls(row) if published else row


def without_nulls(body: Mapping[str, Any]) -> JsonObject:
    """Return a body without the keys whose value is null, in nested objects too."""
    return {
        name: without_nulls(value) if isinstance(value, dict) else value
        for name, value in body.items()
        if value is not None
    }


def _published_item(item: JsonObject) -> JsonObject:
    """Feed posts have no type and carousels no format of their own in the published schema."""
    kept = {name: value for name, value in item.items() if name not in {"content_group_media", "is_pinned"}}
    if kept["type"] not in {"REELS", "IGTV"}:
        kept["type"] = None
    if kept["format"] == "COLLECTION":
        kept["format"] = "OTHER"
    return without_nulls(kept)
