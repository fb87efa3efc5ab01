"""HTML and XML of the world's pages; e-mails appear plain, as mailto, bracket-obfuscated, and beside look-alikes."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from html import escape
from urllib.parse import quote

from socialanalyzer_dagster.sandbox.world import texts
from socialanalyzer_dagster.sandbox.world.dice import Dice
from socialanalyzer_dagster.sandbox.world.models import Creator, SideAccount
from socialanalyzer_dagster.sandbox.world.niches import BY_KEY

_REDIRECT = "https://www.youtube.com/redirect?event=channel_description&q="
_CONTACT_PATHS = ("/contact", "/contact", "/contact-us", "/about/team", "/get-in-touch", "/work-with-me/contact")


def _name(owner: Creator) -> str:
    return owner.display_name or owner.handle


def _document(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<script src="https://cdn.sitebuilder-assets.com/app.js"></script></head>'
        f"<body>{body}</body></html>"
    )


def _anchors(owner: Creator, *, with_website: bool) -> str:
    links = owner.links
    named = {
        "Website": links.website if with_website else None, "Instagram": links.instagram, "YouTube": links.youtube,
        "X": links.twitter,
        "Facebook": links.facebook, "TikTok": links.tiktok, "Twitch": links.twitch, "Patreon": links.patreon,
        "LinkedIn": links.linkedin,
        "Discord": links.discord, "Podcast feed": links.rss,
    }  # fmt: skip
    return "".join(f'<li><a href="{escape(url)}">{label}</a></li>' for label, url in named.items() if url is not None)


def written_email(owner: Creator) -> str:
    """The creator's e-mail as HTML: mailto link, plain text, or at and dot in brackets; "" when there is none."""
    email = owner.contact.email
    if email is None:
        return ""
    local, _, domain = email.partition("@")
    hidden = f"{local} [at] {domain.replace('.', ' [dot] ')}"
    forms = (
        f'<a href="mailto:{email}?subject=Hello">Write to me</a>',
        email,
        hidden,
        f"{local}(at){domain}",
        f"<b>{email}</b>",
    )
    return Dice("written", owner.uid).pick(forms)


def contact_path(owner: Creator) -> str:
    """Where the creator's site has its contact page."""
    return Dice("contact path", owner.uid).pick(_CONTACT_PATHS)


def link_page(owner: Creator, *, shows_email: bool) -> str:
    """A link-in-bio page: every account elsewhere, the website, and a mailto button when the e-mail is shown."""
    email = owner.contact.email
    button = f'<li><a href="mailto:{email}">Email me</a></li>' if shows_email and email is not None else ""
    share = f'<li><a href="https://twitter.com/intent/tweet?text={quote(_name(owner))}">Share</a></li>'
    return _document(
        f"{_name(owner)} | Links",
        f"<h1>@{escape(owner.handle)}</h1><ul>{_anchors(owner, with_website=True)}{button}{share}</ul>",
    )


def home_page(owner: Creator, *, shows_email: bool) -> str:
    """A personal site's front page with links to its other pages."""
    trip = BY_KEY[owner.niche].trip
    offer = f"<p>Join our next {escape(trip)}: spots available.</p>" if owner.truth.leads_trips else ""
    email = f"<footer>{written_email(owner)}</footer>" if shows_email else ""
    text = texts.about(Dice("home", owner.uid), BY_KEY[owner.niche], owner.truth, None) or ""
    navigation = (
        f'<nav><a href="/about">About</a> <a href="{contact_path(owner)}">Contact</a> <a href="/shop">Shop</a></nav>'
    )
    image = '<img src="/img/hero@2x.png" alt="">'
    return _document(
        _name(owner),
        f"{navigation}{image}<h1>{escape(_name(owner))}</h1><p>{escape(text)}</p>{offer}"
        f"<ul>{_anchors(owner, with_website=False)}</ul>{email}",
    )


def contact_page(owner: Creator, *, shows_email: bool) -> str:
    """The contact page: an address, or only a form and words that merely look like one."""
    if shows_email and owner.contact.email is not None:
        return _document(
            f"Contact {_name(owner)}",
            f"<h1>Contact</h1><p>For bookings: {written_email(owner)}</p>"
            f"<p>Automatic mail comes from noreply@{owner.domain}.</p>",
        )
    return _document(
        f"Contact {_name(owner)}",
        '<h1>Contact</h1><p>Please use the form, or find me at work dot in person.</p><form action="/send"></form>',
    )


def about_page(owner: Creator) -> str:
    """Who stands behind the site."""
    contact = owner.contact
    text = texts.about(Dice("about", owner.uid), BY_KEY[owner.niche], owner.truth, None) or ""
    return _document(
        f"About {_name(owner)}",
        f"<h1>About</h1><p>{contact.title}: {contact.first_name} {contact.last_name}</p><p>{escape(text)}</p>",
    )


def youtube_about(channel: SideAccount) -> str:
    """A channel's about page: description and outgoing links behind the platform's redirect."""
    links = channel.owner.links
    outgoing = [url for url in (links.website, links.aggregator, links.instagram, links.linkedin) if url is not None]
    anchors = "".join(f'<a href="{_REDIRECT}{quote(url, safe="")}">{escape(url)}</a>' for url in outgoing)
    return _document(
        f"{channel.display_name} - YouTube",
        f'<div id="description">{escape(channel.bio)}</div><div>{channel.follower_count} subscribers</div>{anchors}',
    )


def feed(owner: Creator, epoch: datetime, *, shows_email: bool) -> str:
    """A podcast feed with owner, author and five dated episodes."""
    niche = BY_KEY[owner.niche]
    dice = Dice("feed", owner.uid)
    person = f"{owner.contact.first_name} {owner.contact.last_name}"
    email = (
        f"<itunes:email>{owner.contact.email}</itunes:email>" if shows_email and owner.contact.email is not None else ""
    )
    episodes = "".join(
        f"<item><title>{escape(dice.pick(niche.subjects).capitalize())}</title><guid>{owner.handle}-{number}</guid>"
        f"<pubDate>{format_datetime(epoch - timedelta(days=7 * number + 2))}</pubDate></item>"
        for number in range(5)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel>'
        f"<title>{escape(_name(owner))}</title><link>{owner.links.website}</link><description>{escape(niche.label)}</description>"
        f"<itunes:author>{person}</itunes:author><itunes:owner><itunes:name>{person}</itunes:name>{email}</itunes:owner>"
        f"{episodes}</channel></rss>"
    )
