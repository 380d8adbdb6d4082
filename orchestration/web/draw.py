"""A page's view model as HTML in its frame. It formats nothing and computes nothing: texts and numbers come ready.

Style, scripts and pictures, each under the hash of its bytes: a browser keeps them for ever and is never behind.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from http import HTTPStatus
from itertools import groupby, takewhile
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.access.permissions import Permission, may
from orchestration.web.cache import answered, as_taken
from orchestration.web.frame import frame_of, undo_form
from orchestration.web.request_context import LOOKS, Context
from reports.pages.address import Address
from reports.pages.chart import Chart, chart_data, chart_table
from reports.pages.page import Act, Form, Page, PageBlock, Part, Widget
from reports.report_content import Paragraph
from reports.texts.locales import page_word, rules_of, unit_text

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
# Letters of a fact that is not broken: fewer than a line of the narrowest card holds.
WHOLE_FACT, NO_BREAK = 36, "\u00a0"
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


def draw(ctx: Context | None, page: Page, *, status: int = 200, banner: str = "") -> Response:
    """The page as an answer. ask: None where nobody is signed in; banner: then what stands above all else."""
    return HTMLResponse(html_of(ctx, page, banner=banner), status_code=status)


def draw_cached(request: Request, ctx: Context, stamp: str, make: Callable[[], Page]) -> Response:
    """The page that `make` gives, kept as long as what it rests on is the same (cache.py: answered)."""
    return answered(request, ctx, stamp, lambda: (html_of(ctx, make()).encode(), "text/html; charset=utf-8"))


def draw_problem(
    ctx: Context | None,
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
    address = ctx.address if ctx is not None else Address(path=path)
    page = Page(title=title, address=address, parts=(Part(key=key, blocks=tuple(blocks)),), links=links)
    return draw(ctx, page, status=status, banner=banner)


def html_of(ctx: Context | None, page: Page, *, banner: str = "") -> str:
    """The page's HTML."""
    locale = page.address.locale
    if ctx is not None and page.lacks:
        act = next_act(ctx, page.lacks)
        page = page.model_copy(update={"first": act, "links": tuple(each for each in page.links if each[0] != act[0])})
    return _environment().get_template("page.html").render(
        page=page,
        person=None if ctx is None else ctx.person,
        csrf="" if ctx is None else ctx.csrf,
        banner=banner if ctx is None else ctx.banner,
        looks=dict.fromkeys(LOOKS, "") | dict({} if ctx is None else ctx.looks),
        frame=None if ctx is None else frame_of(ctx, page.address),
        tools=_tools(page),
        lang=locale,
        scripts=_scripts(page),
        undo=next((each for each in _forms(_blocks(page)) if each.undoes), ctx and undo_form(ctx, page.address)),
        now_utc=None if ctx is None else ctx.now_utc,
        ours=lambda text: page_word(text, locale),
        # A report reads as it was published, whoever looks.
        word=lambda text: page_word(text, "en" if page.quoted_locale else locale),
    )  # fmt: skip


def next_act(ctx: Context, lacks: str) -> tuple[str, str]:
    """Next step on a page that shows nothing: add to the site's file, send files, or see data, as the person may."""
    site, is_now = ctx.site().site_id, ctx.address.as_of_utc is None
    data = Address(path="/data", site=site, locale=ctx.address.locale).href()
    if is_now and lacks in ADDED and may(ctx.person, Permission.WRITE):
        return ADDED[lacks], Address(path=f"/settings/sites/{site}", locale=ctx.address.locale).href()
    return (
        ("Upload files", f"{data}#upload") if is_now and may(ctx.person, Permission.READINGS_PUSH) else ("Data", data)
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


def line_of_facts(text: str) -> str:
    """A line of facts that breaks between them: at its end no number stands without its unit."""
    facts = text.split(" · ")
    whole = len(facts) > 1
    kept = (each.replace(" ", NO_BREAK) if whole and len(each) <= WHOLE_FACT else each for each in facts)
    return re.sub(r"(?<=\d) (?=[%€$£°])", NO_BREAK, " · ".join(kept))


def _picture(svg: str) -> Markup:
    placed = svg.replace('href="icons.svg#', f'href="{static_address("icons.svg")}#')
    return Markup(placed)  # noqa: S704 - of reports/svg alone, see reports/pages/page.py


def _preview(page: Page) -> Markup:
    """Part of another page, in the words in which that one was written."""
    context = {"csrf": "", "now_utc": None, "ours": lambda text: page_word(text, page.quoted_locale or "en")}
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
        "facts": line_of_facts,
        "said": lambda text, word: word(text),
        "chosen": _chosen,
        "unit": unit_text,
        "chart_json": chart_json,
        "chart_table": chart_table,
        "picture": _picture,
        "preview": _preview,
    }
    return found
