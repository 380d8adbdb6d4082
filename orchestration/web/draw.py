"""A page's view model as HTML in its frame. It formats nothing and computes nothing: texts and numbers come ready.

Style, scripts and pictures, each under the hash of its bytes: a browser keeps them for ever and is never behind.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache, partial
from http import HTTPStatus
from itertools import groupby, takewhile
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from assets.stores.ledgers.alert_events import last_acts
from assets.stores.ledgers.work_orders import WorkOrders
from data_quality.contracts.access.permissions import Permission, home_board, homes_of, is_home, may, sees_whole_site
from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.site_file.site import Site
from orchestration.views.open_findings import Look, open_findings
from orchestration.web.cache import answered, as_taken
from orchestration.web.request_context import CHANGED, LOOKS, MORE, Ask
from reports.pages.address import Address
from reports.pages.board import boards
from reports.pages.chart import Chart, chart_data, chart_table
from reports.pages.page import Act, Form, Input, Page, PageBlock, Part, Widget
from reports.pages.start import PATH as START
from reports.report_content import Paragraph
from reports.texts.locales import named, page_word, rules_of, unit_text

FOLDER = Path(__file__).resolve().parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
# The files below static/charts are sent as one, the one that all kinds need first.
CHARTS, BASE = "charts.js", "base.js"
# Files that name others, and how they do.
NAMING = {".css": rb'(url\(")([^"]+)("\))', ".webmanifest": rb'("src": ")([^"]+)(")'}
router = APIRouter()


class StaticFile(NamedTuple):
    """One file as it is sent: packed by gzip, and by brotli where a packed copy lies beside it."""

    address: str
    media_type: str
    packed: bytes
    brotli: bytes | None = None


@lru_cache
def static_files() -> dict[str, StaticFile]:
    """All of them by their path below the folder, read once."""
    whole = b"\n".join(path.read_bytes() for path in sorted(FOLDER.glob("charts/*.js"), key=lambda it: it.name != BASE))
    found = {CHARTS: _static(CHARTS, whole)}
    # Last those that name other files.
    for path in sorted(FOLDER.glob("*"), key=lambda each: (each.suffix in NAMING, each.as_posix())):
        if path.suffix not in TYPES:
            continue
        whole, packed = path.read_bytes(), path.with_name(f"{path.name}.br")
        if path.suffix in NAMING:
            whole = re.sub(
                NAMING[path.suffix], lambda it: it[1] + found[it[2].decode()].address.encode() + it[3], whole
            )
        found[path.name] = _static(path.name, whole, packed.read_bytes() if packed.exists() else None)
    return found


def _static(name: str, whole: bytes, brotli: bytes | None = None) -> StaticFile:
    address = f"/static/{hashlib.sha256(whole).hexdigest()[:16]}/{name}"
    return StaticFile(address, TYPES[Path(name).suffix], gzip.compress(whole, 9, mtime=0), brotli)


def static_address(name: str) -> str:
    """Address of the static file of that name."""
    return static_files()[name].address


@router.get("/static/{digest}/{name:path}", include_in_schema=False)
def static_file(digest: str, name: str, request: Request) -> Response:
    """One file, for everybody: it says nothing of anyone. Another digest is a page of another version."""
    file = static_files().get(name)
    if file is None or file.address != f"/static/{digest}/{name}":
        return Response(status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if name == "worker.js":
        # It stands in for every page, wherever its own file lies.
        headers["Service-Worker-Allowed"] = "/"
    return as_taken(request, file.packed, file.media_type, headers, brotli=file.brotli)


# Of a page that shows nothing yet, by what it lacks: what is added to the site's file.
ADDED = {"device": "Add device", "source": "Add source", "forecast": "Add forecast", "load": "Add sheddable load"}


def draw(ask: Ask | None, page: Page, *, status: int = 200, banner: str = "") -> Response:
    """The page as an answer. ask: None where nobody is signed in; banner: then what stands above all else."""
    return HTMLResponse(html_of(ask, page, banner=banner), status_code=status)


def draw_kept(request: Request, ask: Ask, stamp: str, make: Callable[[], Page]) -> Response:
    """The page that `make` gives, kept as long as what it rests on is the same (cache.py: answered)."""
    return answered(request, ask, stamp, lambda: (html_of(ask, make()).encode(), "text/html; charset=utf-8"))


def draw_problem(
    ask: Ask | None,
    *,
    status: int,
    title: str,
    detail: str,
    mend: str = "",
    links: tuple[tuple[str, str], ...] = (),
    path: str = "/",
    banner: str = "",
    key: str = "problem",
    form: Form | None = None,
) -> Response:
    """A refusal as a page: what, where, and what to do about it. key: of its part; form: an act that leads on."""
    blocks: list[PageBlock] = [Paragraph(text=detail, tone="bad" if status >= HTTPStatus.BAD_REQUEST else "caution")]
    if mend:
        blocks.append(Paragraph(text=mend))
    if form is not None:
        blocks.append(form)
    address = ask.address if ask is not None else Address(path=path)
    page = Page(title=title, address=address, parts=(Part(key=key, blocks=tuple(blocks)),), links=links)
    return draw(ask, page, status=status, banner=banner)


def html_of(ask: Ask | None, page: Page, *, banner: str = "") -> str:
    """The page's HTML."""
    locale = page.address.locale
    if ask is not None and page.lacks:
        act = next_act(ask, page.lacks)
        page = page.model_copy(update={"first": act, "links": tuple(each for each in page.links if each[0] != act[0])})
    return _environment().get_template("page.html").render(
        page=page,
        person=None if ask is None else ask.person,
        csrf="" if ask is None else ask.csrf,
        banner=banner if ask is None else ask.banner,
        looks=dict.fromkeys(LOOKS, "") | dict({} if ask is None else ask.looks),
        frame=None if ask is None else frame_of(ask, page.address),
        tools=_tools(page),
        lang=locale,
        scripts=_scripts(page),
        undo=next((each for each in _forms(_blocks(page)) if each.undoes), ask and look_undone(ask, page.address)),
        now_utc=None if ask is None else ask.now_utc,
        ours=lambda text: page_word(text, locale),
        # A report reads as it was published, whoever looks.
        word=lambda text: page_word(text, "en" if page.told_in else locale),
    )  # fmt: skip


def next_act(ask: Ask, lacks: str) -> tuple[str, str]:
    """Next step on a page that shows nothing: add to the site's file, send files, or see data, as the person may."""
    site, is_now = ask.site().site_id, ask.address.as_of_utc is None
    data = Address(path="/data", site=site, locale=ask.address.locale).href()
    if is_now and lacks in ADDED and may(ask.person, Permission.WRITE):
        return ADDED[lacks], Address(path=f"/settings/sites/{site}", locale=ask.address.locale).href()
    return (
        ("Upload files", f"{data}#upload") if is_now and may(ask.person, Permission.READINGS_PUSH) else ("Data", data)
    )


def _tools(page: Page) -> list[PageBlock]:
    """Pickers, and questions beside them, with which the page begins: they stand in its title line."""
    first = list(takewhile(_is_picker, page.parts[0].blocks)) if page.parts else []
    return first if any(block.kind == "choice" and len(block.options) > 1 for block in first) else []


def _scripts(page: Page) -> list[str]:
    """Scripts that the page has work for; without any it is sent none."""
    blocks = [*_blocks(page)]
    widgets = list(_widgets(blocks))
    charts = [block for block in blocks if isinstance(block, Chart)]
    charts += [each.chart for each in widgets if each.chart is not None]
    names = ["echarts.custom.min.js", CHARTS] if charts else []
    has_points = any(block.kind == "points" and any(each.rows for each in block.sources) for block in blocks)
    names += ["sign.js"] if any(each.public_key or each.takes_new_key for each in _forms(blocks)) else []
    names += ["drop.js"] if any(block.kind in ("upload", "way") for block in blocks) else []
    return names + (["live.js"] if page.awaits or has_points or any(_is_live(each) for each in widgets) else [])


def _forms(blocks: Iterable[PageBlock]) -> Iterator[Form]:
    """Forms of a page, and those behind its acts."""
    for block in blocks:
        if block.kind == "form":
            yield block
            continue
        acts: tuple[Act, ...] = block.acts if block.kind == "sheet" else (block,) if block.kind == "act" else ()
        acts += tuple(act for widget in _widgets([block]) for act in widget.acts)
        yield from (each.form for each in acts if each.form is not None)


def _is_live(widget: Widget) -> bool:
    is_drawn = widget.picture is not None and widget.picture.is_live
    return is_drawn or (widget.value is not None and widget.value.live is not None)


def _blocks(page: Page) -> Iterator[PageBlock]:
    """All of a page, and of pages that it shows a part of."""
    for part in page.parts:
        for block in part.blocks:
            yield block
            if block.kind == "sheet":
                yield from _blocks(block.preview)


def _widgets(blocks: Iterable[PageBlock]) -> Iterable[Widget]:
    for block in blocks:
        if block.kind == "cards":
            yield from block.widgets


def chart_json(chart: Chart, word: Callable[[str], str]) -> Markup:
    """Chart as static/charts/base.js draws it, as JSON that no markup can be hidden in."""
    text = json.dumps(chart_data(chart, word), allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704 - nothing in it can end the tag that it stands in


def _is_picker(block: PageBlock) -> bool:
    return block.kind == "choice" or (block.kind == "form" and block.method == "get")


def _chosen(run: Iterable[PageBlock], word: Callable[[str], str]) -> str:
    """Words of the pickers now, in one line."""
    choices = [block for block in run if block.kind == "choice" and len(block.options) > 1]
    return " · ".join(word(option.text) for block in choices for option in block.options if option.is_chosen)


def _picture(svg: str) -> Markup:
    placed = svg.replace('href="icons.svg#', f'href="{static_address("icons.svg")}#')
    return Markup(placed)  # noqa: S704 - of reports/svg alone, see reports/pages/page.py


def _preview(page: Page) -> Markup:
    """Part of another page, in the words in which that one was written."""
    context = {"csrf": "", "now_utc": None, "ours": lambda text: page_word(text, page.told_in or "en")}
    text = (
        _environment()
        .get_template("preview.html")
        .render(page=page, word=lambda text: page_word(text, "en"), **context)
    )
    return Markup(text)  # noqa: S704 - of our own templates


def _icon(name: str, style: str = "") -> Markup:
    """A symbol of icons.svg; what it means stands beside it in words."""
    place = f"{static_address('icons.svg')}#{name}"
    return Markup('<svg class="i {}" aria-hidden="true"><use href="{}"/></svg>').format(style, place)


def read_templates() -> None:
    """Compile all templates: a page would wait for the first use of one."""
    for name in _environment().list_templates(["html"]):
        _environment().get_template(name)


@lru_cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("orchestration.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.globals |= {
        "static": static_address,
        "icon": _icon,
        "direction_of": lambda locale: "rtl" if rules_of(locale).is_right_to_left else "ltr",
    }
    found.filters |= {
        "groupby_order": lambda places: [
            (name, list(run)) for name, run in groupby(places, key=lambda each: each.group)
        ],
        "said": lambda text, word: word(text),
        "chosen": _chosen,
        "unit": unit_text,
        "chart_json": chart_json,
        "chart_table": chart_table,
        "picture": _picture,
        "preview": _preview,
    }
    return found


# With so few places no headings part them and none is folded; a phone shows so many, and the others under its menu.
FEW, TABS = 5, 4
# Pages that are of one site or of all of them; every other begins anew at another site.
OF_ALL = {"/enpi", "/packs", "/reports", *(f"/board/{name}" for name, each in boards().items() if each.is_of_all)}
OF_HOME = {f"/board/{name}" for name, each in boards().items() if each.is_of_home}
OF_SITE = OF_ALL | {"/bills", "/data", "/devices", "/energy", "/findings", "/forecast", "/live"}
OF_SITE |= {f"/board/{name}" for name in boards()}


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


def frame_of(ask: Ask, address: Address) -> Frame:
    """The frame of a page at the address."""
    found: dict[str, Site] = {}
    # A site file that cannot be read is what the page itself is about.
    with suppress(MeterloomError):
        found = ask.sites()
    of = [found[address.site]] if address.site in found else [*found.values()]
    # What is set up there is somebody's own.
    is_demo = bool(of) and address.path != START and all(each.is_simulated for each in of)
    return Frame(_places(ask, address, found), _sites(address, found), _looks(ask, address), address.href(), is_demo)


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
    folded = {each.path for each in open_ if each.group == MORE and each.path != first and len(open_) > FEW}
    open_.sort(key=lambda each: (each.path != first, each.path in folded, each.place))
    has_headings = len(open_) - len(folded) > FEW
    counts = _counts(ask, chosen)
    # A period of one page is no other's.
    kept = {"period": None, "grain": None, "compare": None, "as_of": None}
    return [
        Place(
            address.href(each.path, **kept), each.text, each.icon,
            MORE if each.path in folded else each.group if has_headings and each.path != first else "",
            address.path == each.path or address.path.startswith(f"{each.path}/"), counts.get(each.path, 0),
        )
        for each in open_
    ]  # fmt: skip


def _counts(ask: Ask, site: Site | None) -> dict[str, int]:
    """What waits for somebody at the site, by the places that show it; nothing for who may not see it.

    Counted once a minute, and again as soon as somebody acted on a finding or a task.
    """
    if site is None or not (may(ask.person, Permission.ANOMALY_READ) and sees_whole_site(ask.person)):
        return {}
    # A page does not fail for a count: what cannot be read is what the page itself is about.
    with suppress(MeterloomError):
        project, sees_all = ask.project, not ask.person.sites
        [acts] = project.store.rows(last_acts(site.site_id))
        key = (site.site_id, sees_all, ask.now_utc.replace(second=0, microsecond=0), *acts.values())
        look = partial(Look, project, site, ask.now_utc, with_every_site=sees_all, with_money=False)
        return project.cache.once("open_counts", key, lambda: open_counts(look()))
    return {}


def open_counts(look: Look) -> dict[str, int]:
    """Open findings and tasks of a site by the places that show them; a look at every source takes some 30 ms."""
    findings = sum(each.needs_someone for each in open_findings(look).standing)
    tasks = sum(each.is_open for each in WorkOrders(look.project.store).standing(look.site.site_id))
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


def look_undone(ask: Ask, address: Address) -> Form | None:
    """Form that gives back a look which was changed a moment ago."""
    name, _, value = ask.looks.get(CHANGED, "").partition(".")
    if not name:
        return None
    kept = {name: value, "next": address.href(), "seen": CHANGED}
    fields = tuple(Input(name=each, kind="hidden", value=text) for each, text in kept.items())
    return Form(title="View", action="/profile/look", fields=fields, undoes="The view was changed.")


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
