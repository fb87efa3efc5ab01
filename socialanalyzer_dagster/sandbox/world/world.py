"""The world's public face: look anything up by index, handle, address or query; all is made on first demand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from socialanalyzer_dagster.sandbox.world import (
    facebook,
    google,
    instagram,
    mailboxes,
    pages,
    patreon,
    people,
    posts,
    sides,
)
from socialanalyzer_dagster.sandbox.world.models import (
    Creator,
    FacebookGroup,
    GoogleResult,
    InstagramCreator,
    MailboxStatus,
    Page,
    PatreonCreator,
    Person,
    Platform,
    Post,
    SideAccount,
)
from socialanalyzer_dagster.sandbox.world.population import Population
from socialanalyzer_dagster.sandbox.world.queries import InstagramQuery
from socialanalyzer_dagster.sandbox.world.recall import Recall

INSTAGRAM_CREATORS = instagram.COUNT
PATREON_CREATORS = patreon.COUNT
FACEBOOK_GROUPS = facebook.COUNT
_REMEMBERED = 20_000


class World:
    """All creators of one seed, made on demand and remembered in bounded caches; constructing it makes none.

    ``epoch`` is the moment the world's dates count back from; it does not move with the sandbox clock, so time that
    passes makes posts older. ``population`` says who is there already; everybody, until somebody changes it.
    """

    def __init__(self, seed: int, epoch: datetime) -> None:
        self.seed = seed
        self.epoch = epoch
        self.population = Population(seed)
        self._instagram = Recall(_REMEMBERED, lambda index: instagram.make(seed, index))
        self._patreon = Recall(_REMEMBERED, lambda index: patreon.make(seed, index))
        self._facebook = Recall(_REMEMBERED, lambda index: facebook.make(seed, index))
        self._posts = Recall(2_000, lambda index: posts.make(seed, epoch, self.instagram(index)))

    @property
    def generated(self) -> int:
        """How many creators have been made so far (0 after construction)."""
        return self._instagram.made + self._patreon.made + self._facebook.made

    def instagram(self, index: int) -> InstagramCreator:
        """The Instagram creator with a rank by followers (0 = most); IndexError outside the world."""
        return self._instagram(_checked(index, INSTAGRAM_CREATORS))

    def patreon(self, index: int) -> PatreonCreator:
        """The Patreon creator with an index; IndexError outside the world."""
        creator = self._patreon(_checked(index, PATREON_CREATORS))
        return replace(creator, is_nsfw=True) if self.population.is_spoiled("patreon", index) else creator

    def facebook(self, index: int) -> FacebookGroup:
        """The Facebook group with an index; IndexError outside the world."""
        return self._facebook(_checked(index, FACEBOOK_GROUPS))

    def instagram_by_handle(self, handle: str) -> InstagramCreator | None:
        """The Instagram creator of the world with a handle (case-insensitive, leading @ allowed), or None."""
        index = instagram.index_of(self.seed, handle)
        return None if index is None else self.instagram(index)

    def patreon_by_vanity(self, vanity: str) -> PatreonCreator | None:
        """The Patreon creator with a vanity or a campaign id, or None."""
        index = patreon.index_of(self.seed, vanity)
        return None if index is None else self.patreon(index)

    def facebook_by_slug(self, slug: str) -> FacebookGroup | None:
        """The Facebook group whose address ends in a slug or number, or None."""
        index = facebook.index_of(self.seed, slug)
        return None if index is None else self.facebook(index)

    def creator(self, platform: str, identity: str) -> Creator | None:
        """The creator a prompt or an admin request names by platform key and handle (or id), or None."""
        if platform == "instagram":
            return self.instagram_by_handle(identity)
        if platform == "patreon":
            return self.patreon_by_vanity(identity)
        if platform == "facebook":
            return self.facebook_by_slug(identity)
        return None

    def truth(self, platform: Platform, identity: str) -> dict[str, object] | None:
        """The hidden truth of a creator as JSON-ready data with the names of the dimensions, or None when unknown."""
        creator = self.creator(platform, identity)
        return None if creator is None else people.truth_document(creator)

    def search_instagram(self, query: InstagramQuery) -> Iterator[InstagramCreator]:
        """Matches by followers, most first (fewest first when ``is_ascending``), made one by one as they are read."""
        for index in instagram.candidates(self.seed, query, self.instagram_by_handle):
            creator = self.instagram(index)
            if self.population.exists("instagram", index) and instagram.matches(creator, query):
                yield creator

    def search_patreon(self, keyword: str, location: str | None = None) -> Iterator[PatreonCreator]:
        """Pages that fit a keyword and a country, state or city (``location``), best match first, in a fixed order."""
        for index in patreon.candidates(self.seed, keyword):
            creator = self.patreon(index)
            if self.population.exists("patreon", index) and patreon.matches(creator, keyword, location):
                yield creator

    def search_facebook(self, terms: str, visibility: str | None = None) -> Iterator[FacebookGroup]:
        """Groups whose topic or place the words of ``terms`` name, in a fixed order; visibility public or private."""
        for index in facebook.candidates(self.seed, terms):
            group = self.facebook(index)
            if self.population.exists("facebook", index) and facebook.matches(group, terms, visibility):
                yield group

    def instagram_posts(self, handle: str) -> list[Post] | None:
        """All items of an account, newest first (stories and pinned ones among them); None for an unknown handle."""
        creator = self.instagram_by_handle(handle)
        return None if creator is None else self._posts(creator.index)

    def instagram_account(self, handle: str) -> InstagramCreator | SideAccount | None:
        """An Instagram account of any creator: one of the 100,000, or the side account of a Patreon page or group."""
        return self.instagram_by_handle(handle) or sides.instagram(self, handle)

    def twitter_user(self, handle: str) -> SideAccount | None:
        """The X account a creator of the world links to, or None."""
        return sides.twitter(self, handle)

    def youtube_channel(self, handle: str) -> SideAccount | None:
        """The YouTube channel (``@handle`` without the @) a creator links to, or None."""
        return sides.youtube(self, handle)

    def owner_of_domain(self, domain: str) -> Creator | None:
        """The creator whose website has a registered domain, or None."""
        return sides.owner_of_domain(self, domain)

    def person(self, *, domain: str | None = None, name: str | None = None, linkedin_url: str | None = None,
               email: str | None = None) -> Person | None:  # fmt: skip
        """Whom a people database knows for these identifiers, or None (it knows about 45 % of the creators).

        The domain (or the e-mail's) decides; a name that fits nobody at that domain finds nobody.
        """
        return people.match(self, people.Identifiers(domain=domain, name=name, linkedin_url=linkedin_url, email=email))

    def leads_of_domain(self, domain: str) -> list[Person]:
        """The people a leads database lists for a domain, with e-mails; an empty list when it knows nobody."""
        return people.leads(self, domain)

    def mailbox(self, email: str) -> MailboxStatus:
        """What verifying any address gives; addresses outside the world get a result by hash (about 80 % ok)."""
        return mailboxes.status(self, email)

    def page(self, url: str) -> Page:
        """What any address of the world answers; an unknown host is a 404 page."""
        return pages.page(self, url)

    def google(self, query: str) -> list[GoogleResult]:
        """Ranked organic results of a web search (site: and quoted phrases understood), at most 100."""
        return google.search(self, query)


def _checked(index: int, count: int) -> int:
    if not 0 <= index < count:
        raise IndexError(f"the world has indexes 0 to {count - 1}, not {index}")
    return index
