"""Which CRM contact is which lead, what we last wrote there, and what belongs to others since (spec 11.3, 11.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, select, tuple_, update

from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import insert_or_update, table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_crm import CrmLinkRow

_LINKS = table_of(CrmLinkRow)
_OF_LEADS = select(_LINKS).where(_LINKS.c.lead_uid.in_(bindparam("leads", expanding=True))).order_by(_LINKS.c.lead_uid)
_LOCKED = _OF_LEADS.with_for_update()
_OF_CONTACTS = select(_LINKS).where(_LINKS.c.crm_object_id.in_(bindparam("contacts", expanding=True)))
_PAGE = (
    select(_LINKS).where(_LINKS.c.lead_uid > bindparam("after")).order_by(_LINKS.c.lead_uid).limit(bindparam("most"))
)
_FOLLOW = update(_LINKS).where(_LINKS.c.lead_uid == bindparam("lead"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One lead's contact: the values of our last writes, ids it had before it was merged, and released properties.

    A `written` value of None was taken back: nothing of ours stands there any more.
    """

    lead: LeadUid
    contact_id: str
    written: Mapping[str, str | None] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()

    @property
    def values(self) -> dict[str, str]:
        """What we wrote and did not take back."""
        return {name: value for name, value in self.written.items() if value is not None}

    def after(self, later: "Link") -> "Link":
        """The same lead's link after something new was learned; what was released stays so."""
        return Link(
            lead=self.lead,
            contact_id=later.contact_id,
            written={**self.written, **later.written},
            aliases=(self.aliases | later.aliases | {self.contact_id}) - {later.contact_id},
            released=self.released | later.released,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A lead's contact as it was just read, beside the `link` it was compared with (None: there was none).

    Its id now, the properties that somebody edited, and values of ours that turned out to stand there.
    """

    lead: LeadUid
    contact_id: str
    link: Link | None
    released: frozenset[str] = frozenset()
    arrived: Mapping[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> Link:
        """What it says about the link."""
        return Link(lead=self.lead, contact_id=self.contact_id, written=self.arrived, released=self.released)

    @property
    def is_news(self) -> bool:
        """False when the link it was compared with says all of it already."""
        return self.link is None or self.link.after(self.seen) != self.link


def links_of(connection: Connection, leads: Sequence[LeadUid], *, to_change: bool = False) -> dict[LeadUid, Link]:
    """The links of the leads that have one; nobody else changes them until the transaction ends with `to_change`."""
    found: dict[LeadUid, Link] = {}
    for part in parts(leads):
        rows = connection.execute(_LOCKED if to_change else _OF_LEADS, {"leads": part})
        found |= {link.lead: link for link in map(_link, rows.mappings())}
    return found


def link_pages(connection: Connection, *, after: str, limit: int) -> list[Link]:
    """Links in the order of their leads, so many at a time, behind a lead."""
    return [_link(row) for row in connection.execute(_PAGE, {"after": after, "most": limit}).mappings()]


def save_links(connection: Connection, links: Sequence[Link], now: datetime) -> None:
    """Remember what was written; a contact that was another lead's belongs to the lead whose uid it carries now."""
    if not links:
        return
    pairs = [(link.lead, link.contact_id) for link in links]
    connection.execute(
        delete(CrmLinkRow).where(
            CrmLinkRow.crm_object_id.in_([contact for _, contact in pairs]),
            tuple_(CrmLinkRow.lead_uid, CrmLinkRow.crm_object_id).not_in(pairs),
        )
    )
    known = links_of(connection, [link.lead for link in links], to_change=True)
    _store(connection, [_merged(known.get(link.lead), link) for link in links], now)


def _merged(before: Link | None, link: Link) -> Link:
    """A contact under another id is a new one: merged ones were followed when the plan was made."""
    if before is None:
        return link
    if before.contact_id == link.contact_id:
        return before.after(link)
    return replace(link, aliases=before.aliases | {before.contact_id})


def take_back(connection: Connection, names: Mapping[LeadUid, Sequence[str]], now: datetime) -> None:
    """Properties of contacts that an undo gave their earlier values: nothing of ours stands there any more."""
    known = links_of(connection, list(names), to_change=True)
    _store(
        connection,
        [replace(link, written={**link.written, **dict.fromkeys(names[lead])}) for lead, link in known.items()],
        now,
    )


def note_sightings(connection: Connection, sightings: Sequence[Sighting], now: datetime) -> int:
    """Follow merged contacts and keep what was released; returns how many links changed or are new.

    A sighting that was compared with another link than there is now says nothing: somebody wrote meanwhile. A contact
    that was merged into another lead's stays known under its old id, as an alias of that lead's contact.
    """
    before = links_of(connection, [each.lead for each in sightings], to_change=True)
    sightings = [each for each in sightings if each.link == before.get(each.lead)]
    new = [each.seen for each in sightings if each.link is None]
    save_links(connection, new, now)
    return len(new) + _note(connection, before, [each for each in sightings if each.link is not None])


def _note(connection: Connection, before: dict[LeadUid, Link], sightings: Sequence[Sighting]) -> int:
    holders = _holders(connection, [each.contact_id for each in sightings])
    before |= {holder.lead: holder for holder in holders.values()}
    now = dict(before)
    for each in sightings:
        link, holder = now[each.lead], holders.get(each.contact_id)
        if holder is None or holder.lead == each.lead:
            holders[each.contact_id] = now[each.lead] = link.after(each.seen)
        else:
            held = now[holder.lead]
            now[holder.lead] = replace(held, aliases=held.aliases | {link.contact_id})
    changed = [link for lead, link in now.items() if link != before[lead]]
    _follow(connection, changed)
    return len(changed)


def _holders(connection: Connection, contacts: Sequence[str]) -> dict[str, Link]:
    found: dict[str, Link] = {}
    for part in parts(contacts):
        rows = connection.execute(_OF_CONTACTS, {"contacts": part})
        found |= {link.contact_id: link for link in map(_link, rows.mappings())}
    return found


def _store(connection: Connection, links: Sequence[Link], now: datetime) -> None:
    if not links:
        return
    stated = ("crm_object_id", "written", "aliases", "released", "written_at")
    connection.execute(
        insert_or_update(connection, CrmLinkRow, keys=("lead_uid",), changed=stated),
        [{**_columns(link), "lead_uid": link.lead, "written_at": now} for link in links],
    )


def _follow(connection: Connection, links: Sequence[Link]) -> None:
    if links:
        connection.execute(_FOLLOW, [{"lead": link.lead, **_columns(link)} for link in links])


def _columns(link: Link) -> dict[str, Any]:
    return {
        "crm_object_id": link.contact_id,
        "written": link.values,
        "aliases": sorted(link.aliases),
        "released": sorted(link.released),
    }


def _link(row: RowMapping) -> Link:
    return Link(
        lead=LeadUid(row["lead_uid"]),
        contact_id=row["crm_object_id"],
        written=row["written"],
        aliases=frozenset(row["aliases"]),
        released=frozenset(row["released"]),
    )
