"""Charts draw what the figures say: where a running line ends, what a map adds up to, what a step stands on."""

import io
from collections.abc import Sequence

import pytest
from reportlab.pdfgen.canvas import Canvas

from reports.chart_geometry import step_ticks
from reports.render.render_pdf import render_pdf
from reports.render.render_pdf_fonts import FONT
from reports.render.render_pdf_text import folded_distinctly, text_width
from reports.report_content import Chart, Paragraph, ReportContent, Series, Table
from tests.reports import plant
from tests.reports.conftest import MakeWorld, World
from tests.reports.pages import pages_of, problems


def chart(content: ReportContent, key: str) -> Chart:
    return next(each for each in content.charts() if each.key == key)


def value(content: ReportContent, path: str) -> float:
    return float(next(figure.value for figure in content.figures if figure.path == path) or 0)


def last(values: Sequence[float | None]) -> float:
    return [each for each in values if each is not None][-1]


@pytest.mark.parametrize("use", ["compressors", "moulding"])
def test_a_running_saving_ends_at_the_printed_one_with_its_band(content: ReportContent, use: str) -> None:
    drawn = chart(content, f"use_savings/{use}").series[0]
    saved, half = (value(content, f"seu/{use}/{name}") for name in ("savings_kwh", "uncertainty_kwh"))
    assert last(drawn.values) == pytest.approx(saved, abs=1e-6)
    assert (last(drawn.low), last(drawn.high)) == pytest.approx((saved - half, saved + half), abs=0.01)


def test_the_band_of_a_sum_is_no_narrower_than_any_correlation_allows(content: ReportContent) -> None:
    total, uses = chart(content, "savings/electricity"), ("compressors", "hvac", "moulding")
    drawn = total.series[0]
    halves = [value(content, f"seu/{use}/uncertainty_kwh") for use in uses]
    assert last(drawn.values) == pytest.approx(value(content, "total/electricity/savings_kwh"), abs=1e-4)
    assert (last(drawn.high) - last(drawn.low)) / 2 == pytest.approx(sum(halves), abs=0.05)
    (end,) = total.figure_ids
    assert next(each.path for each in content.figures if each.figure_id == end) == "total/electricity/savings_kwh"


def test_a_saving_that_may_not_be_claimed_is_not_drawn(world: MakeWorld) -> None:
    content = world(without_baseline=tuple(plant.USES)).build(1)
    assert not [each for each in content.charts() if "savings" in each.key]
    # The load stands in for it: page one has a picture all the same.
    assert content.sections[0].blocks.index(chart(content, "load_first")) >= 0


def test_the_hours_of_the_map_add_up_to_the_consumption(good: World, content: ReportContent) -> None:
    drawn = chart(content, "load")
    assert [len(drawn.categories), len(drawn.series)] == [90, 24]
    # The hour that the clock skips is a hole; every other hour was read.
    holes = [(series.name, day) for series in drawn.series
             for day, kw in zip(drawn.categories, series.values, strict=True) if kw is None]  # fmt: skip
    assert holes == [("02:00", "2025-03-30")]
    total = sum(kw for series in drawn.series for kw in series.values if kw is not None)
    assert total == pytest.approx(value(content, "site/consumption_kwh"), rel=1e-4)
    assert good.site.time_zone == "Europe/Berlin"


def test_every_day_has_its_expectation_between_the_ends_of_its_band(content: ReportContent) -> None:
    expected = chart(content, "days/hvac").series[1]
    assert expected.role == "expected"
    assert len(expected.low) == len(expected.values) == 90
    for low, mean, high in zip(expected.low, expected.values, expected.high, strict=True):
        assert low is not None and mean is not None and high is not None  # noqa: PT018
        assert low < mean < high


def test_steps_that_hardly_move_their_level_are_seen() -> None:
    ticks = step_ticks(1_571_000, 1_629_000)
    assert ticks[0] > 1_400_000
    assert ticks[0] < 1_571_000 - 0.3 * 58_000
    assert ticks[-1] >= 1_629_000
    assert step_ticks(10.0, 90.0)[0] == 0.0
    assert step_ticks(-5.0, 90.0)[0] < 0.0


def test_a_band_has_an_edge_for_every_value() -> None:
    with pytest.raises(ValueError, match="does not fit its categories"):
        Chart(
            key="c", title="", unit="", shape="lines", categories=("a", "b"),
            series=(Series(name="s", role="actual", values=(1.0, 2.0), low=(1.0,), high=(1.0,)),),
        )  # fmt: skip


def test_a_page_breaks_where_its_half_is_full(content: ReportContent) -> None:
    """Blocks a little higher than half a page each: alone on a page they would leave it white."""
    first = content.sections[0]
    words = tuple(Paragraph(text="A sentence of some length, said again. " * 220) for _ in range(4))
    long = content.model_copy(update={"sections": (first.model_copy(update={"blocks": (*first.blocks, *words)}),)})
    assert problems(render_pdf(long)) == []


def test_a_section_that_begins_a_page_leaves_none_half_empty(content: ReportContent) -> None:
    """Whatever stands before it: what a block keeps white below its last line fills no page."""
    first = content.sections[0]
    table = next(each for section in content.sections for each in section.blocks if isinstance(each, Table))
    table = table.model_copy(update={"note": "", "rows": table.rows[:2]})
    words = Paragraph(text="A sentence of some length. " * 5)
    after = first.model_copy(update={"key": "after", "title": "After", "starts_page": True, "blocks": (words,) * 8})
    for lines in range(4, 22):
        before = first.model_copy(update={"blocks": (*(words,) * lines, table)})
        assert problems(render_pdf(content.model_copy(update={"sections": (before, after)}))) == [], lines


def test_the_measure_sees_white_pages_and_text_over_and_beyond() -> None:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1)
    canvas.drawString(60, 700, "first line of a page that is white below")
    canvas.drawString(100, 702, "over it")
    canvas.drawString(500, 650, "runs out of the page")
    canvas.showPage()
    canvas.drawString(60, 700, "the last page may be short")
    canvas.save()
    found = problems(buffer.getvalue())
    assert len(pages_of(buffer.getvalue())) == 2
    assert [each for each in found if "used" in each] == [found[0]]
    assert any("lies over" in each for each in found)
    assert any("runs out" in each for each in found)
    assert len(found) == 3


@pytest.mark.parametrize("width", [40.0, 59.0, 90.0])
def test_names_that_begin_alike_can_be_told_apart_under_a_chart(width: float) -> None:
    names = ["Compressed-air leaks: Compressor 1", "Compressed-air leaks: Compressor 2", "Fans: Hall", "Fans: Hall"]
    names += ["Compressed-air leaks of a hall: Compressor of the north 1", "Leaks", "Elektrizitätswerksabrechnung"]
    names += ["Compressed-air leaks of a hall: Compressor of the north 2"]
    made = folded_distinctly(names, FONT, 5.6, width)
    assert len({*made}) == len({*names})
    assert all(text_width(line, FONT, 5.6) <= width for lines in made for line in lines)
    assert all(1 <= len(lines) <= 2 for lines in made)
