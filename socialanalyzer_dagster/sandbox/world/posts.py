"""Instagram items: what an account shows, newest first, with dates that agree with how active its creator is."""

from datetime import datetime, timedelta

from socialanalyzer_dagster.sandbox.world import texts
from socialanalyzer_dagster.sandbox.world.dice import Dice, base62
from socialanalyzer_dagster.sandbox.world.models import Engagement, InstagramCreator, Post
from socialanalyzer_dagster.sandbox.world.niches import BY_KEY

_DAY_SECONDS = 86_400


def make(seed: int, epoch: datetime, creator: InstagramCreator) -> list[Post]:
    """Up to 24 feed items, some pinned, and the current stories of one account, newest first."""
    dice = Dice(seed, "posts", creator.index)
    items = [
        _post(dice, creator, epoch - timedelta(seconds=age), number, "FEED")
        for number, age in enumerate(_ages(dice, creator))
    ]
    pinned = [
        _post(dice, creator, epoch - timedelta(seconds=age), 100 + number, "PINNED")
        for number, age in enumerate(_pinned_ages(dice, creator))
    ]
    stories = [
        _post(dice, creator, epoch - timedelta(hours=dice.between(1, 23)), 200 + number, "STORY")
        for number in range(dice.pick((0, 0, 0, 1, 2)))
    ]
    return sorted(items + pinned + stories, key=lambda post: (post.published_at, post.id), reverse=True)


def _ages(dice: Dice, creator: InstagramCreator) -> list[int]:
    """Seconds before the epoch of each unpinned feed item, youngest first."""
    activity = creator.truth.activity
    if activity in ("empty", "pinned_only"):
        return []
    days = dice.spread(50, 220) if activity == "inactive" else dice.spread(0.1, 6.0)
    longest_pause = dice.spread(1.5, 10.0)
    broken_at = dice.between(1, 9) if activity == "gap" else -1
    ages = []
    for number in range(dice.between(13, 24)):
        ages.append(int(days * _DAY_SECONDS))
        days += dice.spread(45, 120) if number == broken_at else dice.spread(0.2, longest_pause)
    return ages


def _pinned_ages(dice: Dice, creator: InstagramCreator) -> list[int]:
    has_pinned, count = dice.chance(0.25), dice.between(1, 3)
    if creator.truth.activity == "empty" or not (has_pinned or creator.truth.activity == "pinned_only"):
        return []
    return [dice.between(100, 500) * _DAY_SECONDS for _ in range(count)]


def _post(dice: Dice, creator: InstagramCreator, moment: datetime, number: int, role: str) -> Post:
    code = base62(11, "post", creator.handle, number)
    form = dice.pick(("VIDEO", "VIDEO", "VIDEO", "COLLECTION", "COLLECTION", "IMAGE", "IMAGE"))
    has_caption, children, seconds = dice.chance(0.97), dice.between(2, 6), round(dice.spread(6, 88), 2)
    caption = texts.caption_body(dice, BY_KEY[creator.niche], creator.truth)
    tags = tuple(dice.some(creator.hashtags, dice.between(0, 3)))
    hides = dice.chance(0.9) if creator.index % 29 == 0 else dice.chance(0.01)
    kind = "STORY" if role == "STORY" else "REELS" if form == "VIDEO" else "FEED"
    return Post(
        id=str(int(base62(8, "id", code).encode().hex(), 16) % 10**18), code=code, handle=creator.handle,
        kind=kind,  # type: ignore[arg-type]
        format=form,  # type: ignore[arg-type]
        url=f"https://www.instagram.com/{'reel' if form == 'VIDEO' else 'p'}/{code}/",
        title=None, caption=_with_tags(caption, tags) if has_caption and role != "STORY" else None, published_at=moment,
        duration_seconds=seconds if form == "VIDEO" else None, engagement=_engagement(dice, creator, hides,
        is_video=form == "VIDEO"),
        is_pinned=role == "PINNED", hides_counts=hides, hashtags=tags, children=children if form == "COLLECTION" else 1,
    )  # fmt: skip


def _with_tags(caption: str, tags: tuple[str, ...]) -> str:
    return " ".join((caption, *(f"#{tag}" for tag in tags)))


def _engagement(dice: Dice, creator: InstagramCreator, hides: bool, *, is_video: bool) -> Engagement:
    likes = int(creator.average_likes * dice.spread(0.4, 1.8))
    comments = int(likes * (0.01 + 0.06 * creator.truth.dimensions[4]) * dice.spread(0.5, 1.5))
    views = likes * dice.between(4, 14)
    if hides:
        return Engagement(None, comments, None, None)
    return Engagement(likes, comments, views if is_video else None, None if dice.chance(0.5) else likes // 30)
