"""The frame around a page: places of the side bar, the board that opens first, what waits there, sites, looks."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from assets.stores.ledgers.alert_events import last_acts
from assets.stores.ledgers.work_orders import WorkOrders
from data_quality.contracts.access.permissions import Permission, may, sees_whole_site
from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.model import once
from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.site import Site
from orchestration.views.open_findings import FindingsQuery, open_findings
from orchestration.web.request_context import CHANGED, LOOKS, MORE, Context
from reports.pages.address import Address
from reports.pages.board import boards
from reports.pages.page import Form, Input
from reports.pages.start import PATH as START
from reports.texts.locales import named, rules_of

# With so few places no headings part them and none is folded.
FEW = 5
# Pages that are of one site or of all of them; every other begins anew at another site.
OF_ALL = {"/enpi", "/packs", "/reports", *(f"/board/{name}" for name, each in boards().items() if each.is_of_all)}
OF_HOME = {f"/board/{name}" for name, each in boards().items() if each.is_of_home}
OF_SITE = OF_ALL | {"/bills", "/data", "/devices", "/energy", "/findings", "/forecast", "/live"}
OF_SITE |= {f"/board/{name}" for name in boards()}
# What stands in homes: other kinds are of machines and halls.
HOME_DEVICES = frozenset({"battery", "ev_charger", "pv", "tank", "heat_pump", "heating_relay", "appliance"})
# Which board a role stands for; where somebody has several roles, the first of these opens first. Who works at a site
# begins there, also where they review or look on besides.
_HOME_OF: Mapping[Role, str] = {
    Role.TENANT: "site", Role.OPERATOR: "ops", Role.ENGINEER: "ops", Role.ANALYST: "ops", Role.APPROVER: "ops",
    Role.AUDITOR: "audit", Role.REVIEWER: "audit", Role.VIEWER: "exec", Role.PUBLISHER: "exec",
}  # fmt: skip


class Place(NamedTuple):
    """One place of the side bar. waiting: how many things there wait for somebody."""

    href: str
    text: str
    icon: str
    group: str
    is_here: bool
    waiting: int = 0


class SiteLink(NamedTuple):
    """One site of the picker. about: its zone, by whose days all periods are."""

    href: str
    text: str
    about: str
    is_here: bool
    icon: str = "building-2"


class Frame(NamedTuple):
    """Frame of the page. looks: by name what may be chosen, as value, words, and whether it is the present
    one. here: the address that a form of the frame leads back to. is_demo: every site that the page may be of is
    simulated.
    """

    places: list[Place]
    sites: list[SiteLink]
    looks: dict[str, list[tuple[str, str, bool]]]
    here: str
    is_demo: bool


def frame_of(ctx: Context, address: Address) -> Frame:
    """The frame of a page at the address."""
    found: dict[str, Site] = {}
    # A site file that cannot be read is what the page itself is about.
    with suppress(MeterloomError):
        found = ctx.sites()
    of = [found[address.site]] if address.site in found else [*found.values()]
    # What is set up there is somebody's own.
    is_demo = bool(of) and address.path != START and all(each.is_simulated for each in of)
    return Frame(_places(ctx, address, found), _sites(address, found), _looks(ctx, address), address.href(), is_demo)


def _places(ctx: Context, address: Address, sites: dict[str, Site]) -> list[Place]:
    """Places that the person's roles stand for and that they may open, their own board first."""
    homes, first = homes_of(ctx.person, sites.values()), f"/board/{home_board(ctx.person, sites.values())}"
    chosen = sites.get(address.site) or next(iter(sites.values()), None)
    hidden = OF_HOME if chosen is None or not is_home(chosen) else set()
    open_ = [
        each
        for each in ctx.nav
        # Who has no board of their own, as an admin, has whatever place they may open.
        if may(ctx.person, each.needs) and (not homes or homes & set(each.homes)) and each.path not in hidden
    ]
    # One page that has another name at homes is one place.
    open_ = list({each.path: each for each in open_}.values())
    folded = {each.path for each in open_ if each.group == MORE and each.path != first and len(open_) > FEW}
    open_.sort(key=lambda each: (each.path != first, each.path in folded, each.place))
    has_headings = len(open_) - len(folded) > FEW
    counts = _counts(ctx, chosen)
    # A period of one page is no other's.
    kept = {"period": None, "grain": None, "compare": None, "as_of": None}
    return [
        Place(
            address.href(each.path, **kept, **({} if each.has_sites else {"site": None, "scope": None})),
            each.text, each.icon,
            MORE if each.path in folded else each.group if has_headings and each.path != first else "",
            address.path == each.path or address.path.startswith(f"{each.path}/"), counts.get(each.path, 0),
        )
        for each in open_
    ]  # fmt: skip


def _counts(ctx: Context, site: Site | None) -> dict[str, int]:
    """Open findings and tasks of the site by the places that show it; nothing for who may not see it.

    Counted once a minute, and again as soon as somebody acted on a finding or a task.
    """
    if site is None or not (may(ctx.person, Permission.ANOMALY_READ) and sees_whole_site(ctx.person)):
        return {}
    # A page does not fail for a count: what cannot be read is what the page itself is about.
    with suppress(MeterloomError):
        project, sees_all = ctx.project, not ctx.person.sites
        [acts] = project.store.rows(last_acts(site.site_id))
        key = (site.site_id, sees_all, ctx.now_utc.replace(second=0, microsecond=0), *acts.values())
        look = partial(FindingsQuery, project, site, ctx.now_utc, with_every_site=sees_all, with_money=False)
        return project.cache.once("open_counts", key, lambda: open_counts(look()))
    return {}


def open_counts(look: FindingsQuery) -> dict[str, int]:
    """Open findings and tasks of a site by the places that show them; a look at every source takes some 30 ms."""
    findings = sum(each.needs_someone for each in open_findings(look).standing)
    tasks = sum(each.is_open for each in WorkOrders(look.project.store).current(look.site.site_id))
    return {"/board/ops": findings, "/findings": findings, "/tasks": tasks}


def _sites(address: Address, found: dict[str, Site]) -> list[SiteLink]:
    """The person's sites, and all of them together where the page can show that."""
    path = address.path if address.path in OF_SITE else "/"
    kept = {"scope": None, "grain": None, **({} if path == "/energy" else {"period": None})}
    chosen = address.site or ("" if path in OF_ALL else next(iter(found), ""))
    links = [
        SiteLink(
            address.href("/" if path in OF_HOME and not is_home(site) else path, site=each, **kept),
            named(site.name), site.time_zone, each == chosen, "house" if is_home(site) else "building-2",
        )
        for each, site in found.items()
    ]  # fmt: skip
    if path in OF_ALL and len(links) > 1:
        links.insert(0, SiteLink(address.href(path, site=None, **kept), "All sites", "", not chosen))
    return links


def undo_form(ctx: Context, address: Address) -> Form | None:
    """Form that gives back a look which was changed a moment ago."""
    name, _, value = ctx.looks.get(CHANGED, "").partition(".")
    if not name:
        return None
    kept = {name: value, "next": address.href(), "seen": CHANGED}
    fields = tuple(Input(name=each, kind="hidden", value=text) for each, text in kept.items())
    return Form(title="View", action="/profile/look", fields=fields, undoes="The view was changed.")


def _looks(ctx: Context, address: Address) -> dict[str, list[tuple[str, str, bool]]]:
    words = {
        "theme": {"": "System", "light": "Light", "dark": "Dark"},
        "text": {"": "100 %", "112": "112 %", "125": "125 %"},
        "locale": {"": "English", **{each: rules_of(each).name or each for each in LOOKS["locale"]}},
    }
    now = {**ctx.looks, "locale": "" if address.locale == "en" else address.locale}
    return {
        name: [(value, text, value == now.get(name, "")) for value, text in of.items()] for name, of in words.items()
    }


@once
def is_home(site: Site) -> bool:
    """True where somebody lives there: devices that a home has, and nothing that only an organisation keeps."""
    parts = any(site.premises.parts().values()) or site.premises.products
    is_run = site.seus or site.projects or parts
    return not is_run and any(each.kind in HOME_DEVICES for each in site.assets)


def is_owner(person: Person, sites: Collection[Site]) -> bool:
    """True where every site that the person sees is a home: then theirs."""
    return bool(sites) and Role.TENANT not in person.roles and all(map(is_home, sites))


def home_board(person: Person, sites: Collection[Site] = ()) -> str:
    """The board that opens first: the person's own, that of an owner of homes, or the first that a role stands for."""
    if person.home_board is not None:
        return person.home_board
    if is_owner(person, sites):
        return "home"
    return next((home for role, home in _HOME_OF.items() if role in person.roles), "ops")


def homes_of(person: Person, sites: Collection[Site] = ()) -> set[str]:
    """The boards that the person's roles stand for, of an owner of homes theirs: whose places the side bar has."""
    homes = {home for role, home in _HOME_OF.items() if role in person.roles}
    homes = {"home"} if is_owner(person, sites) else homes
    return homes if person.home_board is None else homes | {person.home_board}
