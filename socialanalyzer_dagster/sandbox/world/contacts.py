"""Addresses of creators: own domains, e-mails, phones, accounts elsewhere, and where each e-mail can be seen."""

from dataclasses import dataclass

from socialanalyzer_dagster.sandbox.world.dice import Dice, hash64
from socialanalyzer_dagster.sandbox.world.models import Contact, Links, Platform

TLDS = ("com", "com", "com", "com", "com", "com", "com", "co", "net", "org", "studio", "life")
PERSONAL_PROVIDERS = ("gmail.com", "gmail.com", "gmail.com", "yahoo.com", "outlook.com", "icloud.com")
AGGREGATORS = ("linktr.ee", "linktr.ee", "linktr.ee", "beacons.ai", "lnk.bio", "solo.to", "campsite.bio")
EXPOSURES = (
    "bio",
    "aggregator",
    "website_home",
    "website_contact",
    "feed",
    "youtube",
    "side_instagram",
    "side_twitter",
    "google",
)
_TITLES = ("Founder", "Owner", "Creator", "Host", "Founder & Host", "Teacher", "Organizer")
_LETTER_OF: dict[Platform, str] = {"instagram": "i", "patreon": "p", "facebook": "f"}
PLATFORM_OF_LETTER: dict[str, Platform] = {letter: platform for platform, letter in _LETTER_OF.items()}


@dataclass(frozen=True, slots=True)
class Owner:
    """Who stands behind an account: given name, family name and the words its own domain is made of."""

    platform: Platform
    index: int
    handle: str
    first_name: str
    last_name: str
    stem: str


def domain(seed: int, owner: Owner) -> str:
    """The registered domain the owner would have."""
    return f"{owner.stem}.{TLDS[hash64(seed, 'tld', owner.platform, owner.index) % len(TLDS)]}"


def make(dice: Dice, seed: int, owner: Owner, *, website_share: float) -> tuple[Contact, Links]:
    """Contact and links of an owner, drawn in a fixed order."""
    has_website, has_email, has_own_mail = dice.chance(website_share), dice.chance(0.88), dice.chance(0.7)
    host = domain(seed, owner)
    first, last = owner.first_name.lower(), owner.last_name.lower()
    own = f"{dice.pick(('hello', first, 'info', 'contact', first, f'{first}.{last}'))}@{host}"
    personal = f"{first}.{last}{dice.pick(('', '', '.hello', '.creates'))}@{dice.pick(PERSONAL_PROVIDERS)}"
    email = own if has_website and has_own_mail else personal
    is_listed, phone = dice.chance(0.88), f"+1303555{dice.below(10_000):04d}"
    contact = Contact(
        first_name=owner.first_name,
        last_name=owner.last_name,
        email=email if has_email else None,
        listed_email=email if has_email and is_listed else None,
        owner_email=f"{first}@{host}" if has_website else None,
        phone=phone if dice.chance(0.2) else None,
        title=dice.pick(_TITLES),
        linkedin_url=f"https://www.linkedin.com/in/{first}-{last}" if dice.chance(0.35) else None,
        domain=host if has_website else None,
    )
    return contact, _links(
        dice, owner, website=f"https://www.{host}" if has_website else None, linkedin=contact.linkedin_url
    )


def _links(dice: Dice, owner: Owner, *, website: str | None, linkedin: str | None) -> Links:
    handle = owner.handle
    chances = {"aggregator": 0.5, "youtube": 0.3, "twitter": 0.25, "facebook": 0.2, "tiktok": 0.3, "twitch": 0.04,
               "patreon": 0.08, "instagram": 0.6, "discord": 0.06, "rss": 0.3}  # fmt: skip
    has = {kind: dice.chance(share) for kind, share in chances.items()}
    own = owner.platform
    return Links(
        website=website,
        aggregator=f"https://{dice.pick(AGGREGATORS)}/{handle}" if has["aggregator"] else None,
        instagram=f"https://www.instagram.com/{handle}" if has["instagram"] and own != "instagram" else None,
        youtube=f"https://www.youtube.com/@{handle}" if has["youtube"] else None,
        twitter=f"https://twitter.com/{twitter_handle(owner.platform, owner.index)}" if has["twitter"] else None,
        facebook=f"https://www.facebook.com/{handle}" if has["facebook"] and own != "facebook" else None,
        tiktok=f"https://www.tiktok.com/@{handle}" if has["tiktok"] else None,
        twitch=f"https://www.twitch.tv/{handle.replace('.', '_')}" if has["twitch"] else None,
        patreon=f"https://www.patreon.com/{handle.replace('.', '_')}"
        if has["patreon"] and own == "instagram"
        else None,
        linkedin=linkedin,
        discord=f"https://discord.gg/{handle.replace('.', '')[:10]}" if has["discord"] else None,
        rss=f"{website}/podcast/feed.xml" if has["rss"] and website is not None else None,
    )


def twitter_handle(platform: Platform, index: int) -> str:
    """An X handle of at most 15 characters that carries the creator's place in the world."""
    return f"notes_{_LETTER_OF[platform]}{index * 48_271 % 1_299_709:07d}"


def index_of_twitter_handle(handle: str) -> tuple[Platform, int] | None:
    """Platform and index behind such a handle, or None."""
    text = handle.lower().removeprefix("@")
    if len(text) != 14 or not text.startswith("notes_") or not text[7:].isdigit():
        return None
    platform = PLATFORM_OF_LETTER.get(text[6])
    if platform is None:
        return None
    return platform, int(text[7:]) * pow(48_271, -1, 1_299_709) % 1_299_709


def exposures(seed: int, platform: Platform, index: int) -> frozenset[str]:
    """Where the creator's e-mail can be seen (see ``EXPOSURES``); never empty, so that searching can find it."""
    dice = Dice(seed, "exposure", platform, index)
    shares = (0.18, 0.35, 0.3, 0.7, 0.6, 0.35, 0.3, 0.2, 0.25)
    found = {place for place, share in zip(EXPOSURES, shares, strict=True) if dice.chance(share)}
    return frozenset(found or {"website_contact", "aggregator"})
