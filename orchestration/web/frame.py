"""The frame around every page: places, sites and looks of who is signed in."""

from contextlib import suppress
from typing import NamedTuple

from data_quality.contracts.access.permissions import may
from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.site_file.site import Site
from orchestration.web.request_context import CHANGED, LOOKS, Ask
from reports.pages.address import Address
from reports.pages.board import boards, home_board, homes_of, is_home
from reports.pages.page import Form, Input
from reports.texts.locales import named, rules_of

# With so few places no headings part them; a phone shows so many, and the others under its menu.
FEW, TABS = 5, 4
# Pages that are of one site or of all of them; every other begins anew at another site.
OF_ALL = {"/enpi", "/reports", *(f"/board/{name}" for name, each in boards().items() if each.is_of_all)}
OF_HOME = {f"/board/{name}" for name, each in boards().items() if each.is_of_home}
OF_SITE = OF_ALL | {"/bills", "/data", "/devices", "/energy", "/findings", "/forecast", "/live"}
OF_SITE |= {f"/board/{name}" for name in boards()}


class Place(NamedTuple):
    """One place of the side bar."""

    href: str
    text: str
    icon: str
    group: str
    is_here: bool


class SiteLink(NamedTuple):
    """One site of the picker. about: its zone, by whose days all periods are."""

    href: str
    text: str
    about: str
    is_here: bool


class Frame(NamedTuple):
    """What stands around the page. looks: by name what may be chosen, as value, words, and whether it is the present
    one. here: the address that a form of the frame leads back to.
    """

    places: list[Place]
    sites: list[SiteLink]
    looks: dict[str, list[tuple[str, str, bool]]]
    here: str


def frame_of(ask: Ask, address: Address) -> Frame:
    """The frame of a page at the address."""
    found: dict[str, Site] = {}
    # A site file that cannot be read is what the page itself is about.
    with suppress(MeterloomError):
        found = ask.sites()
    return Frame(_places(ask, address, found), _sites(address, found), _looks(ask, address), address.href())


def _places(ask: Ask, address: Address, sites: dict[str, Site]) -> list[Place]:
    """Places that the person's roles stand for and that they may open, their own board first."""
    homes, first = homes_of(ask.person, sites.values()), f"/board/{home_board(ask.person, sites.values())}"
    chosen = sites.get(address.site) or next(iter(sites.values()), None)
    hidden = OF_HOME if chosen is None or not is_home(chosen) else set()
    open_ = [
        each
        for each in ask.nav
        # Who has no board of their own, as an admin, has whatever place they may open.
        if may(ask.person, each.needs) and (not homes or homes & set(each.homes)) and each.path not in hidden
    ]
    # One page that has another name at homes is one place.
    open_ = list({each.path: each for each in open_}.values())
    open_.sort(key=lambda each: (each.path != first, each.place))
    # A period of one page is no other's.
    kept = {"period": None, "grain": None, "compare": None, "as_of": None}
    return [
        Place(
            address.href(each.path, **kept), each.text, each.icon,
            "" if len(open_) <= FEW or each.path == first else each.group,
            address.path == each.path or address.path.startswith(f"{each.path}/"),
        )
        for each in open_
    ]  # fmt: skip


def _sites(address: Address, found: dict[str, Site]) -> list[SiteLink]:
    """The person's sites, and all of them together where the page can show that."""
    path = address.path if address.path in OF_SITE else "/"
    kept = {"scope": None, "grain": None, **({} if path == "/energy" else {"period": None})}
    chosen = address.site or ("" if path in OF_ALL else next(iter(found), ""))
    links = [
        SiteLink(
            address.href("/" if path in OF_HOME and not is_home(site) else path, site=each, **kept),
            named(site.name), site.time_zone, each == chosen,
        )
        for each, site in found.items()
    ]  # fmt: skip
    if path in OF_ALL and len(links) > 1:
        links.insert(0, SiteLink(address.href(path, site=None, **kept), "All sites", "", not chosen))
    return links


def look_undone(ask: Ask, address: Address) -> Form | None:
    """What gives a look back that was changed a moment ago."""
    name, _, value = ask.looks.get(CHANGED, "").partition(".")
    if not name:
        return None
    kept = {name: value, "next": address.href(), "seen": CHANGED}
    fields = tuple(Input(name=each, label="", kind="hidden", value=text) for each, text in kept.items())
    return Form(
        key="look", title="View", action="/profile/look", method="post", fields=fields, submit="View",
        undoes="The view was changed.",
    )  # fmt: skip


def _looks(ask: Ask, address: Address) -> dict[str, list[tuple[str, str, bool]]]:
    words = {
        "theme": {"": "System", "light": "Light", "dark": "Dark"},
        "text": {"": "100 %", "112": "112 %", "125": "125 %"},
        "locale": {"": "English", **{each: rules_of(each).name or each for each in LOOKS["locale"]}},
    }
    now = {**ask.looks, "locale": "" if address.locale == "en" else address.locale}
    return {
        name: [(value, text, value == now.get(name, "")) for value, text in of.items()] for name, of in words.items()
    }
