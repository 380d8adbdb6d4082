"""Each tile in each of its states, held against what stands in the golden file; no state is an empty box."""

import json

import pytest

from orchestration.web.boards.portfolio_tiles import areas_of
from reports.pages.address import Address
from reports.pages.page import Widget
from reports.pages.widgets import compared_span, live_kw, report_status, sites_table
from reports.pages.widgets.tile import TileFigure
from reports.texts.locales import MISSING, page_word
from tests.web.widgets_golden import AT, GOLDEN, NOW, all_, document, live_value, shown


def test_every_tile_says_in_every_state_what_the_golden_file_has() -> None:
    assert document() == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(("name", "widget"), [*all_()], ids=str)
def test_what_is_missing_is_never_zero_and_never_without_a_reason(name: str, widget: Widget) -> None:
    if widget.state in ("none", "not_set_up"):
        assert widget.reason, name
        assert widget.value is None or widget.value.text == MISSING
    else:
        assert (
            widget.value is not None
            or widget.numbers
            or widget.picture
            or widget.chart
            or widget.items
            or widget.table
            or widget.reason
        )
        assert widget.value is None or widget.value.text != MISSING or widget.value.note
    for number in (*widget.numbers, *([widget.value] if widget.value else [])):
        assert number.text != MISSING or number.note, number


def test_no_note_of_a_tile_of_today_or_of_the_cost_bridge_stays_english() -> None:
    tiles = [widget for name, widget in all_() if name.startswith(("today", "cost_bridge"))]
    notes = [each.note for tile in tiles for each in (tile.value, *tile.numbers) if each is not None and each.note]
    german = [page_word(each, "de") for each in notes]
    assert any("prognostiziert aus Messwerten" in each for each in german), notes
    assert any("Achse beginnt nicht bei null" in each for each in german), notes
    assert not [each for each in german if "forecast" in each or "axis" in each]


def test_power_now_shows_the_hours_of_the_day_once_there_are_three() -> None:
    for hours, is_drawn in (((1.0, None, 2.0), False), ((1.0, None, 2.0, 3.0), True)):
        tile = live_kw.view(live_kw.LiveKw(**AT, now_utc=NOW, points=(live_value(2),), hours=hours))
        assert (tile.picture is not None and "area-actual" in tile.picture.svg) is is_drawn


def test_the_one_site_whose_energy_by_area_is_known_leads_and_of_two_none_does() -> None:
    known = compared_span.Compared(
        **AT, key="eui", title="Energy by floor area", label="Rolling 12 months", span="2025", now=shown("eui", "252")
    )
    unknown = known.model_copy(update={"now": shown("eui", None, status="part_of_year")})
    one = compared_span.view(areas_of(["Plant", "Yard"], [unknown, known]))
    assert one.value is not None
    assert (one.value.text, page_word(one.value.note, "en")[-4:]) == ("252", "2025")
    assert "Yard" in one.value.note
    assert [each.label for each in one.numbers] == ["Plant"]
    two = compared_span.view(areas_of(["Plant", "Yard"], [known, known]))
    assert (two.value, [each.label for each in two.numbers]) == (None, ["Plant", "Yard"])
    assert two.reason == "floor areas use different definitions and cannot be combined"


def test_a_change_has_a_sign_and_a_share_has_none() -> None:
    share, use = shown("consumption_kwh", "6.2", "percent"), shown("consumption_kwh", "252")
    trace = share.figure.trace.model_copy(update={"computation": "deviation_percent"})
    change = TileFigure(figure=share.figure.model_copy(update={"trace": trace}), why="/why")
    more = (("Share", share, ""), ("Change", change, ""))
    tile = compared_span.view(compared_span.Compared(**AT, key="use", title="Used", label="Used", now=use, more=more))
    assert [each.text for each in tile.numbers] == ["6.2", "+6.2"]


def test_a_row_of_a_site_leads_to_its_page_and_its_cost_stands_with_its_own_currency() -> None:
    row = sites_table.SiteRow(
        name="Plant", cost=shown("cost", "120.5", "CZK"), href="/board/site?site=p", months=(118.0, 147.0, None)
    )
    tile = sites_table.view(sites_table.SitesTable(address=Address(path="/board/exec"), rows=(row,), span="2025"))
    assert tile.table is not None
    [cells] = [each.cells for each in tile.table.rows]
    assert cells[0].href == "/board/site?site=p"
    assert str(cells[3].text) == "120.50\N{NO-BREAK SPACE}CZK"
    assert str(cells[1].text) == "118–147"
    assert "<path" in tile.sparks[cells[1].figure_id]
    assert all(str(each.title) for each in tile.table.columns)
    assert tile.table.columns[tile.chips or 0].title == "Status"


def test_reports_have_a_column_of_changes_only_where_something_changed() -> None:
    line = report_status.ReportLine(name="enpi_quarter", site="p", period="2025-Q4", status="due", href="/reports/x")
    heads = []
    for lines in ((line,), (line, line.model_copy(update={"stale": ("lake plant/2025",)}))):
        tile = report_status.view(report_status.ReportStatus(address=Address(path="/board/exec"), lines=lines))
        assert tile.table is not None
        heads.append("Changed since" in {each.title for each in tile.table.columns})
        assert {each.cells[tile.chips or 0].tone for each in tile.table.rows} == {"caution"}
        assert {row.cells[0].href for row in tile.table.rows} == {"/reports/x"}
    assert heads == [False, True]
