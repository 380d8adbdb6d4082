"""A chart as SVG: parses as XML, draws each value and no gap, says them in words, escapes every word."""

from typing import TYPE_CHECKING

import pytest
from defusedxml.ElementTree import fromstring

from reports.report_content import Chart, Series
from reports.svg.chart_svg import chart_svg

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NAMESPACE = "{http://www.w3.org/2000/svg}"


def chart(shape: str, **series: tuple[float | None, ...]) -> Chart:
    made = [
        Series(name=name, role=role, values=values)
        for (name, values), role in zip(series.items(), ("actual", "expected", "third", "fourth"), strict=False)
    ]
    names = tuple(f"d{place}" for place in range(len(made[0].values)))
    return Chart(key="k", title="Use & <cost>", unit="kwh", shape=shape, categories=names, series=tuple(made))


def drawn(made: Chart, name: str) -> list["Element"]:
    return list(fromstring(chart_svg(made)).iter(NAMESPACE + name))


def test_a_bar_for_each_value_and_none_for_a_gap() -> None:
    # The paper and the two faces of the legend.
    assert len(drawn(chart("bars", a=(1, None, 3), b=(2, -1, 0)), "rect")) == 5 + 3


def test_bars_stand_on_zero_and_are_as_high_as_their_amounts() -> None:
    heights = [float(each.attrib["height"]) for each in drawn(chart("bars", a=(1, 2, -2)), "rect")][2:]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.02)
    assert heights[2] == pytest.approx(heights[1], abs=0.02)


def test_a_line_ends_at_a_gap_and_a_single_value_is_a_dot() -> None:
    ways = [each.attrib["d"] for each in drawn(chart("lines", a=(1, 2, None, 4)), "path") if "fill" in each.attrib]
    assert len(ways) == 1 + 2
    assert ways[-1].endswith("h0.1")


def test_hours_that_were_not_read_stay_white() -> None:
    assert len(drawn(chart("heat", **{"00:00": (1.0, None), "01:00": (5.0, 9.0)}), "rect")) == 3 + 1


def test_the_description_is_the_chart_in_words_which_are_escaped() -> None:
    [said] = drawn(chart("lines", a=(1, 2.5), b=(None, None)), "desc")
    assert said.text == "Use & <cost>, kWh. a: d0 1.00; d1 2.50. b: d0 to d1 not known"
    assert "&amp; &lt;cost&gt;" in chart_svg(chart("lines", a=(1, 2)))


def test_a_name_that_is_wider_than_its_place_is_cut() -> None:
    made = chart("bars", a=tuple(range(1, 7)))
    long = made.model_copy(update={"categories": tuple("highest quarter hour of the month " * 2 for _ in range(6))})
    names = [each.text or "" for each in drawn(long, "text") if "highest" in (each.text or "")]
    assert len(names) == 6
    assert max(len(each) * 10 * 0.58 for each in names) <= 720 / 6


def test_a_shape_that_only_paper_has_is_refused() -> None:
    with pytest.raises(ValueError, match="waterfall"):
        chart_svg(chart("waterfall", a=(1, 2)))
