"""Pages as HTML: words stay words wherever they stand, and nothing in a page is style, script or another host."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.all_routes import NAV
from orchestration.web.draw import draw_problem, html_of
from orchestration.web.request_context import Ask
from orchestration.web.static_files import FOLDER, static_address, static_files
from reports.pages import board as boards
from reports.pages.address import Address
from reports.pages.page import (
    Cards,
    Choice,
    Form,
    Input,
    Line,
    Live,
    Number,
    Numbers,
    Option,
    Page,
    PageBlock,
    Part,
    Picture,
    Plot,
    Steps,
    Widget,
)
from reports.report_content import Cell, Chart, Column, Paragraph, Row, Series, Table
from reports.svg.treemap import Tile, treemap_svg
from tests.html_seen import Seen
from tests.web.served import NOW

ANNA = Person(person_id="anna", name="Anna", roles=(Role.OPERATOR,))

EVIL = '</script><script>alert(1)</script><b onclick="x">\'&\u202e'
INTER = "3100e775e8616cd2611beecfa23a4263d7037586789b43f035236a2e6fbd4c62"
TEMPLATES, BOARDS = FOLDER.parent / "templates", Path(boards.__file__).with_name("boards.yaml")
# Of the package uplot 1.6.32 of npm.
UPLOT = {
    "uplot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


def table(text: str, key: str = "t") -> Table:
    row = Row(cells=(Cell(text=text), Cell(text="1,204", figure_id="f")))
    columns = (Column(title=text), Column(title="y", unit="kWh", is_number=True))
    return Table(key=key, title=text, sheet="", columns=columns, rows=(row,))


def every_block(text: str) -> tuple[PageBlock, ...]:
    """One block of each kind with the text wherever one may stand."""
    number = Number(label=text, text=text, unit=text, note=text, why="/why?a=1&b=2")
    live = Live(point=text, at_utc=NOW, limits_s=(5, 60), band="fresh", told=text, age=text)
    told = number.model_copy(update={"live": live})
    series = (Series(name=text, role="actual", values=(1.0, None)),)
    finding = Finding(code="x", message=text)
    picture = Picture(key="k", title=text, svg=treemap_svg(text, [Tile(text, 1.0, text)]), caption=text)
    field = Input(name="a", label=text, value=text, hint=text)
    return (
        Choice(label=text, options=(Option(text=text, href="/x?a=1", is_chosen=True), Option(text=text, href="/y"))),
        Paragraph(text=text),
        table(text),
        Chart(key="c", title=text, unit=text, shape="bars", categories=(text, "b"), series=series, note=text),
        Numbers(numbers=(number,)),
        picture,
        Plot(
            key="p", title=text, unit=text, at_s=(0, 900), ticks=((0, text),), table=table(text, "tp"), csv="/x.csv",
            lines=(Line(name=text, role="actual", values=(1.0, None)),), caption=text, points=("/why?a=1&b=2", ""),
        ),
        Cards(
            widgets=(
                Widget(key="w", title=text, state="finding", value=told, age=text, numbers=(number, told), link="/z",
                       findings=(finding,), picture=picture, table=table(text, "tw")),
                Widget(key="n", title=text, state="none", reason=text),
                Widget(key="i", title=text, state="not_set_up", reason=text),
            )
        ),
        Form(key="f", title=text, action="/act", method="post", fields=(field,), submit=text, note=text),
        Form(key="g", title=text, action="/ask", method="get", fields=(field,), submit=text),
        Steps(title=text, steps=((text, text, "/s"),)),
    )  # fmt: skip


def page(text: str, **more) -> Page:
    parts = (Part(key="a", blocks=every_block(text)), Part(key="b", title=text, blocks=(Paragraph(text=text),)))
    findings = (Finding(code="x", message=text), Finding(code="y", message=text, severity="blocking"))
    given = {"age": text, "findings": findings, "links": ((text, "/l"),), "whys": {"f": "/why?f=1&g=2"}} | more
    return Page(title=text, address=Address(path="/energy"), parts=parts, is_synthetic=True, **given)


def test_words_stay_words_in_every_block() -> None:
    seen = Seen(html_of(None, page(EVIL)))
    plain = Seen(html_of(None, page("x" * len(EVIL))))
    assert seen.faults() == []
    assert [tag for tag, _ in seen.elements] == [tag for tag, _ in plain.elements]
    assert "alert(1)" in seen.text


def test_numbers_in_tables_and_tiles_open_their_why() -> None:
    leads = [each.get("href") for each in Seen(html_of(None, page("plain"))).of("a")]
    assert leads.count("/why?f=1&g=2") == 3
    assert leads.count("/why?a=1&b=2") == 4


def test_a_plot_says_its_values_in_json_and_in_a_table() -> None:
    html = html_of(None, page(EVIL))
    told = json.loads(html.partition('type="application/json">')[2].partition("</script>")[0])
    assert told["lines"][0]["name"] == EVIL
    assert told["lines"][0]["values"] == [1.0, None]


def test_an_act_carries_the_token_and_a_question_does_not() -> None:
    ask = Ask(OpenProject("."), ANNA, Address(path="/energy"), FixedClock(NOW), csrf="secret-token")
    main = html_of(ask, page("plain")).partition("<main")[2].partition("</main>")[0]
    assert main.count('name="csrf" value="secret-token"') == 1
    act = main.index('id="form-f"')
    assert act < main.index("secret-token") < main.index("</form>", act)


@pytest.mark.parametrize(("locale", "direction"), [("en", "ltr"), ("de", "ltr"), ("ar", "rtl")])
def test_a_page_says_its_language_and_its_direction(locale: str, direction: str) -> None:
    given = page("plain").model_copy(update={"address": Address(path="/energy", locale=locale)})
    assert Seen(html_of(None, given)).of("html") == [{"lang": locale, "dir": direction}]


def test_a_page_without_plots_is_sent_no_script() -> None:
    seen = Seen(html_of(None, Page(title="x", address=Address(path="/x"), parts=())))
    assert seen.of("script") == []
    assert len(seen.of("h1")) == 1


def test_a_refusal_says_what_and_what_to_do() -> None:
    answer = draw_problem(None, status=404, title="Not found", detail=EVIL, mend="ask again", links=(("First", "/"),))
    seen = Seen(bytes(answer.body).decode())
    assert answer.status_code == 404
    assert seen.faults() == []
    assert "ask again" in seen.text


def test_uplot_is_the_file_that_was_published_with_its_licence() -> None:
    for name, digest in UPLOT.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest
    assert "Permission is hereby granted" in (FOLDER / "uplot.licence.txt").read_text()


def test_font_and_icons_come_with_their_licences() -> None:
    assert hashlib.sha256((FOLDER / "inter.woff2").read_bytes()).hexdigest() == INTER
    assert "SIL OPEN FONT LICENSE" in (FOLDER / "inter.licence.txt").read_text()
    assert "Lucide" in (FOLDER / "icons.licence.txt").read_text()


def test_every_symbol_of_the_sprite_is_used_and_every_one_that_is_used_is_there() -> None:
    there = set(re.findall(r'<symbol id="([^"]+)"', (FOLDER / "icons.svg").read_text()))
    sources = "".join(path.read_text() for path in (*TEMPLATES.glob("*.html"), BOARDS))
    used = set(re.findall(r'icon\("([a-z0-9-]+)"', sources)) | set(re.findall(r'"([a-z0-9-]+)"[,}]', sources)) & there
    used |= {each.icon for each in NAV}
    assert there == used


def test_what_every_page_takes_is_small() -> None:
    files = static_files()
    assert len(files["app.css"].packed) <= 9_000
    assert len(files["icons.svg"].packed) <= 4_000
    assert len(files["inter.woff2"].packed) <= 49_000
    script = len(files["uplot.js"].packed) + len(files["chart.js"].packed) + len(files["live.js"].packed)
    assert len((FOLDER / "app.css").read_bytes()) <= 30_000
    assert script + len(files["app.css"].packed) + len(files["uplot.css"].packed) <= 40_000


def test_a_file_is_found_by_its_digest_alone_and_kept_for_ever(shared) -> None:
    found = shared.browser().ask(static_address("app.css"), headers=[("accept-encoding", "gzip")])
    assert (found.status, found.headers["content-encoding"]) == (200, "gzip")
    assert "immutable" in found.headers["cache-control"]
    assert shared.browser().ask("/static/0000000000000000/app.css").status == 404
