"""A page's view model as HTML. It formats nothing and computes nothing: texts and numbers come ready."""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from http import HTTPStatus
from itertools import groupby, takewhile

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from orchestration.web.cache import answered
from orchestration.web.frame import frame_of, look_undone
from orchestration.web.request_context import LOOKS, Ask
from orchestration.web.static_files import static_address
from reports.pages.address import Address
from reports.pages.chart import Chart, chart_data, chart_table
from reports.pages.page import Act, Form, Page, PageBlock, Part, Widget
from reports.report_content import Paragraph
from reports.texts.locales import page_word, rules_of
from reports.texts.numbers import unit_text

# Kinds that are drawn by the file of another, or on a narrow screen as another.
FILES = {"stack": ("bars",), "band": ("line",), "cumulative": ("line",), "tree": ("tree", "ranked")}


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
) -> Response:
    """A refusal as a page: what, where, and what to do about it. key: of its part."""
    told = [Paragraph(text=detail, tone="bad" if status >= HTTPStatus.BAD_REQUEST else "caution")]
    if mend:
        told.append(Paragraph(text=mend))
    address = ask.address if ask is not None else Address(path=path)
    page = Page(title=title, address=address, parts=(Part(key=key, blocks=tuple(told)),), links=links)
    return draw(ask, page, status=status, banner=banner)


def html_of(ask: Ask | None, page: Page, *, banner: str = "") -> str:
    """The page's HTML."""
    locale = page.address.locale
    return _environment().get_template("page.html").render(
        page=page,
        person=None if ask is None else ask.person,
        csrf="" if ask is None else ask.csrf,
        banner=banner if ask is None else ask.banner,
        looks=dict.fromkeys(LOOKS, "") | dict({} if ask is None else ask.looks),
        frame=None if ask is None else frame_of(ask, page.address),
        tools=_tools(page),
        lang=locale,
        direction="rtl" if rules_of(locale).is_right_to_left else "ltr",
        scripts=_scripts(page),
        undo=next((each for each in _forms(_blocks(page)) if each.undoes), ask and look_undone(ask, page.address)),
        now_utc=None if ask is None else ask.now_utc,
        ours=lambda text: page_word(text, locale),
        # A report reads as it was published, whoever looks.
        word=lambda text: page_word(text, "en" if page.told_in else locale),
    )  # fmt: skip


def _tools(page: Page) -> list[PageBlock]:
    """Pickers, and questions beside them, with which the page begins: they stand in its title line."""
    first = list(takewhile(_is_picker, page.parts[0].blocks)) if page.parts else []
    return first if any(block.kind == "choice" for block in first) else []


def _scripts(page: Page) -> list[str]:
    """Scripts that the page has work for; without any it is sent none."""
    blocks = [*_blocks(page)]
    widgets = list(_widgets(blocks))
    charts = [block for block in blocks if isinstance(block, Chart)]
    charts += [each.chart for each in widgets if each.chart is not None]
    files = sorted({f"charts/{name}.js" for each in charts for name in FILES.get(each.kind, (each.kind,))})
    names = ["echarts.custom.min.js", "charts/base.js", *files] if charts else []
    has_points = any(block.kind == "points" and block.rows for block in blocks)
    names += ["sign.js"] if any(each.public_key for each in _forms(blocks)) else []
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
    """What charts/base.js draws of a chart, as JSON that no markup can be hidden in."""
    text = json.dumps(chart_data(chart, word), allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704 - nothing in it can end the tag that it stands in


def _is_picker(block: PageBlock) -> bool:
    return block.kind == "choice" or (block.kind == "form" and block.method == "get")


def _chosen(run: Iterable[PageBlock], word: Callable[[str], str]) -> str:
    """What pickers say now, in one line."""
    choices = [block for block in run if block.kind == "choice"]
    return " · ".join(word(option.text) for block in choices for option in block.options if option.is_chosen)


def _picture(svg: str) -> Markup:
    placed = svg.replace('href="icons.svg#', f'href="{static_address("icons.svg")}#')
    return Markup(placed)  # noqa: S704 - of reports/svg alone, see reports/pages/page.py


def _preview(page: Page) -> Markup:
    """Part of another page, in the words in which that one was written."""
    told = {"csrf": "", "now_utc": None, "ours": lambda text: page_word(text, page.told_in or "en")}
    text = (
        _environment().get_template("preview.html").render(page=page, word=lambda text: page_word(text, "en"), **told)
    )
    return Markup(text)  # noqa: S704 - of our own templates


def _icon(name: str, style: str = "") -> Markup:
    """A symbol of icons.svg; what it means stands beside it in words."""
    place = f"{static_address('icons.svg')}#{name}"
    return Markup('<svg class="i {}" aria-hidden="true"><use href="{}"/></svg>').format(style, place)


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
    found.globals |= {"static": static_address, "icon": _icon}
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
