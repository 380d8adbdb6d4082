"""Pages as HTML: words stay words wherever they stand, and nothing in a page is style, script or another host."""

import gzip
import hashlib
import json
import re

import pyarrow
import pytest

from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.app import NAV
from orchestration.web.draw import (
    BASE,
    CHARTS,
    FOLDER,
    draw_problem,
    html_of,
    line_of_facts,
    static_address,
    static_files,
)
from orchestration.web.request_context import Context
from reports.pages.address import Address
from reports.pages.board import BOARDS
from reports.pages.chart import Chart, ChartRow, Limit, chart_data
from reports.pages.numbers import Live, Number, Numbers, Picture
from reports.pages.page import Act, Cards, Choice, Form, Input, Option, Page, PageBlock, Part, Steps, Widget
from reports.pages.widgets.home_power import ICONS
from reports.report_content import Cell, Column, Paragraph, Row, Table
from reports.svg.markup import Ring, rings_svg
from tests.conftest import ROOT
from tests.html_seen import Seen
from tests.web.served import NOW

ANNA = Person(person_id="anna", name="Anna", roles=(Role.OPERATOR,))

EVIL = '</script><script>alert(1)</script><b onclick="x">\'&\u202e'
LIBRARY = "echarts.custom.min.js"
INTER = "c8d9cbc6b869375fc91c4e04ceced18c69853c1d1eb2a721702728cdb32e0865"
TEMPLATES = FOLDER.parent / "templates"


def table(text: str, key: str = "t") -> Table:
    row = Row(cells=(Cell(text=text), Cell(text="1,204", figure_id="f")))
    columns = (Column(title=text), Column(title="y", unit="kWh", is_number=True))
    return Table(key=key, title=text, sheet="", columns=columns, rows=(row,))


def every_block(text: str) -> tuple[PageBlock, ...]:
    """One block of each kind with the text wherever one may stand."""
    number = Number(label=text, text=text, unit=text, note=text, why="/why?a=1&b=2")
    live = Live(point=text, at_utc=NOW, limits_s=(5, 60), band="fresh", told=text, age=text)
    told = number.model_copy(update={"live": live})
    chart = Chart(
        kind="bars", key="c", title=text, unit=text, x=(text, "b"), x_title=text, hint=text, note=text, csv="/x.csv",
        rows=(
            ChartRow(label=text, values=(1.0, None), unit=text, figures=("f", "")), ChartRow(label=text, values=(2, 3)),
        ),
        ticks=((0, text),), events=((1, text),), limit=Limit(label=text, value=1.5), remarks=(text, ""), at_s=(0, 900),
        time_zone="Europe/Berlin", whys=("/why?a=1&b=2", ""),
    )  # fmt: skip
    finding = Finding(code="x", message=text)
    picture = Picture(key="k", title=text, svg=rings_svg(text, [Ring(text, 1.0, text)]), caption=text)
    field = Input(name="a", label=text, value=text, hint=text)
    return (
        Choice(label=text, options=(Option(text=text, href="/x?a=1", is_chosen=True), Option(text=text, href="/y"))),
        Paragraph(text=text),
        table(text),
        chart,
        chart.model_copy(update={"kind": "flow", "key": "fl"}),
        Numbers(numbers=(number,)),
        picture,
        Cards(
            widgets=(
                Widget(key="w", title=text, state="finding", value=told, age=text, numbers=(number, told), link="/z",
                       findings=(finding,), picture=picture, chart=chart.model_copy(update={"key": "cw"}),
                       table=table(text, "tw")),
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
    assert leads.count("/why?f=1&g=2") == 5
    assert leads.count("/why?a=1&b=2") == 4


def cells_page(*cells: Cell) -> Page:
    columns = tuple(Column(title=str(at)) for at in range(len(cells)))
    block = Table(key="t", title="Table", sheet="", columns=columns, rows=(Row(cells=cells),))
    return Page(title="Cells", address=Address(path="/energy"), parts=(Part(key="a", blocks=(block,)),))


def test_words_of_a_table_have_a_link_of_their_own_which_no_report_holds() -> None:
    cell = Cell(text="Change sites", href="/people?person=ben#form-sites")
    leads = [each.get("href") for each in Seen(html_of(None, cells_page(cell))).of("a")]
    assert leads.count("/people?person=ben#form-sites") == 1
    assert "href" not in cell.model_dump()


def test_an_id_that_begins_as_a_year_is_drawn_as_every_other() -> None:
    drawn = [
        html_of(None, cells_page(Cell(text=""), Cell(text=each))) for each in ("2805b7b7fc5abd2d", "fc5abd2d2805b7b7")
    ]
    assert drawn[0].replace("2805b7b7fc5abd2d", "fc5abd2d2805b7b7") == drawn[1]


def test_a_picker_with_one_option_is_no_choice_and_is_not_drawn() -> None:
    one, other = (Option(text=text, href=f"/{text}", is_chosen=text == "only") for text in ("only", "second"))
    for options, is_drawn in (((one,), False), ((one, other), True)):
        for blocks in (
            (Choice(label="Year", options=options),),
            (Paragraph(text="a"), Choice(label="Year", options=options)),
        ):
            made = Page(title="t", address=Address(path="/x"), parts=(Part(key="a", blocks=blocks),))
            assert ("Year" in Seen(html_of(None, made)).text) == is_drawn


def test_the_question_of_an_act_has_cancel_beside_its_button_and_a_form_of_a_page_has_none() -> None:
    form = Form(key="f", title="Approve", action="/act", method="post", fields=(), submit="Approve")
    act = Act(label="Approve", question="Approve?", about="Q4", facts=(), form=form)
    for block, is_question in ((act, True), (form, False)):
        made = Page(title="t", address=Address(path="/x"), parts=(Part(key="a", blocks=(block,)),))
        beside = re.search(r'>Cancel</a><button type="submit">Approve<', html_of(None, made))
        assert bool(beside) == is_question


def chart_json(html: str, key: str) -> dict:
    """Data of a chart for the scripts."""
    figure = html.partition(f'id="chart-{key}"')[2]
    return json.loads(figure.partition('type="application/json">')[2].partition("</script>")[0])


def test_what_addresses_of_a_chart_begin_with_is_sent_once() -> None:
    for whys in (("/why?at=1", "/why?at=2"), ("/why?at=1", ""), ("/why", "/why")):
        row = ChartRow(label="a", values=(1.0, 2.0))
        found = chart_data(
            Chart(kind="bars", key="c", title="t", unit="kwh", x=("a", "b"), rows=(row,), whys=whys), str
        )
        assert tuple(found["why"] + each for each in found["whys"]) == whys


def test_days_that_follow_each_other_are_told_once_and_other_names_as_they_are() -> None:
    x = ("2024-02-28", "2024-02-29", "2024-03-01", "2024-03-03", "b", "2024-13-01", "20240301")
    row = ChartRow(label="a", values=(None,) * len(x))
    found = chart_data(Chart(kind="bars", key="c", title="t", unit="kwh", x=x, rows=(row,)), str)
    assert found["x"] == [("2024-02-28", 3), ("2024-03-03", 1), "b", "2024-13-01", "20240301"]


def test_a_chart_says_its_rows_in_json_and_the_same_in_its_table() -> None:
    html = html_of(None, page(EVIL))
    found = chart_json(html, "c")
    assert [row["label"] for row in found["rows"]] == [EVIL, EVIL]
    assert [row["values"] for row in found["rows"]] == [[1.0, None], [2.0, 3.0]]
    assert (found["x"], found["events"], found["limit"]) == ([EVIL, "b"], [[1, EVIL]], {"label": EVIL, "value": 1.5})
    body = html.partition('id="table-c-table"')[2].partition("</table>")[0].partition("<tbody>")[2]
    cells = [re.sub(r"<[^>]+>", "", each).strip() for each in re.findall(r"<t[dh].*?</t[dh]>", body, re.DOTALL)]
    assert [cell for at, cell in enumerate(cells) if at % 4 in (1, 2)] == ["1", "2", "–", "3"]


@pytest.mark.parametrize(
    "wrong",
    [{"remarks": ("x",)}, {"whys": ("/why",)}, {"at_s": (1, 2, 3)}, {"rows": (ChartRow(label="a", values=(1,)),)}],
)
def test_a_chart_of_rows_that_do_not_fit_its_axis_is_none(wrong: dict) -> None:
    rows = (ChartRow(label="a", values=(1, 2)),)
    given = {"kind": "bars", "key": "k", "title": "t", "unit": "kwh", "x": ("1", "2"), "rows": rows}
    assert Chart(**given).rows == rows
    with pytest.raises(ValueError, match="does not fit its axis"):
        Chart(**given | wrong)


def test_only_a_page_with_a_chart_is_sent_the_library_and_the_script_of_all_kinds() -> None:
    sources = [
        each["src"].rpartition("/static/")[2].partition("/")[2]
        for each in Seen(html_of(None, page("x"))).of("script")
        if "src" in each
    ]
    assert sources == [LIBRARY, "charts.js", "live.js"]
    assert all("defer" in each for each in Seen(html_of(None, page("x"))).of("script") if "src" in each)


def test_an_act_carries_the_token_and_a_question_does_not() -> None:
    ctx = Context(OpenProject("."), ANNA, Address(path="/energy"), FixedClock(NOW), csrf="secret-token")
    main = html_of(ctx, page("plain")).partition("<main")[2].partition("</main>")[0]
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


def test_the_library_is_what_was_built_and_its_copy_unpacks_to_it() -> None:
    recorded, _, name = (ROOT / ".ci" / "charts" / "SHA256").read_text().partition("  ")
    whole = (FOLDER / LIBRARY).read_bytes()
    assert (name.strip(), hashlib.sha256(whole).hexdigest()) == (LIBRARY, recorded)
    packed = (FOLDER / f"{LIBRARY}.br").read_bytes()
    assert pyarrow.decompress(packed, len(whole), codec="brotli", asbytes=True) == whole
    # Trusted Types refuse an assignment of markup, even of none.
    assert not re.search(rb"innerHTML=(\"\"|''|null)", whole)
    licence = (FOLDER / "echarts.licence.txt").read_text()
    assert "Apache License" in licence
    assert "Redistribution and use in source and binary forms" in licence


def test_font_and_icons_come_with_their_licences() -> None:
    assert hashlib.sha256((FOLDER / "inter.woff2").read_bytes()).hexdigest() == INTER
    assert "SIL OPEN FONT LICENSE" in (FOLDER / "inter.licence.txt").read_text()
    assert "Lucide" in (FOLDER / "icons.licence.txt").read_text()


def test_every_symbol_of_the_sprite_is_used_and_every_one_that_is_used_is_there() -> None:
    there = set(re.findall(r'<symbol id="([^"]+)"', (FOLDER / "icons.svg").read_text()))
    sources = "".join(path.read_text() for path in (*TEMPLATES.glob("*.html"), *BOARDS.glob("*.yaml")))
    used = set(re.findall(r'icon\("([a-z0-9-]+)"', sources)) | set(re.findall(r'"([a-z0-9-]+)"[,}]', sources)) & there
    used |= {each.icon for each in NAV} | set(ICONS.values()) | {Act.model_fields["icon"].default}
    assert there == used


def test_the_build_names_no_host() -> None:
    for path in (each for each in (ROOT / ".ci" / "charts").iterdir() if each.is_file()):
        assert '"resolved"' not in path.read_text(), path
        assert "http" not in path.read_text(), path


def test_what_every_page_takes_is_small() -> None:
    files = static_files()
    kinds = [each for each in FOLDER.glob("charts/*.js") if each.name != BASE]
    assert len(kinds) == 9
    assert all(len(each.read_text().splitlines()) <= 60 for each in kinds)
    assert all(each.read_bytes() in gzip.decompress(files[CHARTS].packed) for each in kinds)
    ours = sum(len(files[name].packed) for name in (CHARTS, "live.js", "app.css", "charts.css"))
    assert len(files["app.css"].packed) <= 9_000
    assert len(files["icons.svg"].packed) <= 4_000
    assert len(files["inter.woff2"].packed) <= 37_000
    assert len((FOLDER / "app.css").read_bytes()) <= 34_000
    assert ours <= 28_000
    assert len(files[LIBRARY].packed) <= 250_000
    assert len(files[LIBRARY].brotli or b"") <= 208_000


@pytest.mark.parametrize(
    ("takes", "packing"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip", "gzip"), ("br;q=0.000, gzip", "gzip"), ("", None)],
)
def test_the_library_comes_as_the_browser_takes_it(takes: str, packing: str | None, shared) -> None:
    found = shared.browser().ask(static_address(LIBRARY), headers=[("accept-encoding", takes)])
    assert (found.status, found.headers.get("content-encoding")) == (200, packing)
    assert "Accept-Encoding" in found.headers["vary"]
    unpacked = {
        "br": lambda packed: pyarrow.decompress(packed, 2**20, codec="brotli", asbytes=True),
        "gzip": gzip.decompress,
    }
    assert (found.body if packing is None else unpacked[packing](found.body))[:4] == (FOLDER / LIBRARY).read_bytes()[:4]


def test_a_file_is_found_by_its_digest_alone_and_kept_for_ever(shared) -> None:
    found = shared.browser().ask(static_address("app.css"), headers=[("accept-encoding", "gzip")])
    assert (found.status, found.headers["content-encoding"]) == (200, "gzip")
    assert "immutable" in found.headers["cache-control"]
    assert shared.browser().ask("/static/0000000000000000/app.css").status == 404


def test_a_line_of_facts_breaks_between_facts_and_never_before_a_unit() -> None:
    assert line_of_facts("High · 142.14 € in 5 days") == "High · 142.14\u00a0€\u00a0in\u00a05\u00a0days"
    long = "a fact of so many words that no card has a line for it"
    assert line_of_facts(f"{long} · 1 of 5") == f"{long} · 1\u00a0of\u00a05"
    assert line_of_facts("Contracted capacity, 59.3 % of the limit") == "Contracted capacity, 59.3\u00a0% of the limit"
    assert line_of_facts("Today so far") == "Today so far"
