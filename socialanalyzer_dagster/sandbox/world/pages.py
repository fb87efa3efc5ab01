"""The world's web: link pages, personal sites, feeds and YouTube about pages, by address."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from socialanalyzer_dagster.sandbox.world import contacts, markup, sides
from socialanalyzer_dagster.sandbox.world.dice import hash64
from socialanalyzer_dagster.sandbox.world.models import Creator, Page

if TYPE_CHECKING:
    from socialanalyzer_dagster.sandbox.world.world import World

_HTML = "text/html; charset=utf-8"
_NOT_FOUND = Page(
    404, _HTML, "<!doctype html><html><head><title>Not found</title></head><body><h1>404</h1></body></html>"
)
_WALLED = (
    "instagram.com",
    "facebook.com",
    "tiktok.com",
    "linkedin.com",
    "twitter.com",
    "x.com",
    "patreon.com",
    "twitch.tv",
    "discord.gg",
)
_WALL = Page(
    200,
    _HTML,
    "<!doctype html><html><head><title>Log in</title></head><body>Log in or sign up to continue.</body></html>",
)
_DOWN_PER_THOUSAND = 20


def page(world: World, url: str) -> Page:
    """What an address answers; redirects carry their target in ``location`` and are not followed here."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    host = (parts.hostname or "").lower()
    bare = host.removeprefix("www.")
    path = parts.path.rstrip("/") or "/"
    if bare in contacts.AGGREGATORS:
        return _link_page(world, bare, path)
    if bare in ("youtube.com", "m.youtube.com"):
        return _youtube_page(world, path)
    if bare in _WALLED:
        return _WALL
    owner = sides.owner_of_domain(world, bare)
    if owner is None:
        return _NOT_FOUND
    if parts.scheme == "http" or host == bare:
        return Page(301, _HTML, "", location=f"https://www.{bare}{parts.path or '/'}")
    return _site_page(world, owner, path)


def _link_page(world: World, host: str, path: str) -> Page:
    owner = sides.by_slug(world, path.strip("/"))
    if owner is None or owner.links.aggregator != f"https://{host}/{path.strip('/')}":
        return _NOT_FOUND
    shows_email = "aggregator" in contacts.exposures(world.seed, owner.platform, owner.index)
    return Page(200, _HTML, markup.link_page(owner, shows_email=shows_email))


def _youtube_page(world: World, path: str) -> Page:
    name = path.strip("/").split("/")[0]
    channel = world.youtube_channel(name) if name.startswith("@") else None
    return _NOT_FOUND if channel is None else Page(200, _HTML, markup.youtube_about(channel))


def _site_page(world: World, owner: Creator, path: str) -> Page:
    if path == "/robots.txt":
        return Page(200, "text/plain; charset=utf-8", "User-agent: *\nDisallow: /admin\n")
    if hash64(world.seed, "down", owner.uid) % 1000 < _DOWN_PER_THOUSAND:
        return Page(503, _HTML, "<html><body>Service unavailable</body></html>")
    if path == "/podcast/feed.xml" and owner.links.rss is not None:
        shows_email = "feed" in contacts.exposures(world.seed, owner.platform, owner.index)
        return Page(200, "application/rss+xml; charset=utf-8", markup.feed(owner, world.epoch, shows_email=shows_email))
    shown = contacts.exposures(world.seed, owner.platform, owner.index)
    contact_path = markup.contact_path(owner)
    if path == "/":
        return Page(200, _HTML, markup.home_page(owner, shows_email="website_home" in shown))
    if path == contact_path:
        return Page(200, _HTML, markup.contact_page(owner, shows_email="website_contact" in shown))
    if path == "/about":
        return Page(200, _HTML, markup.about_page(owner))
    return _NOT_FOUND
