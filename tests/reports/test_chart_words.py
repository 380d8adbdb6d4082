"""A chart in words says the edges of bands and what is not known, in the language that is asked for."""

from reports.render.chart_description import chart_description
from tests.reports.test_tagged_pdf import drawn


def test_a_chart_in_words_says_bands_gaps_and_days_of_a_map_once() -> None:
    made = drawn(5.0, -1.0)
    (series,) = made.series
    banded = made.model_copy(update={"series": (series.model_copy(update={"low": (4.0, None), "high": (6.5, None)}),)})
    assert chart_description(banded, "en") == "Energy, kWh. Actual: d0 5.00 (4.00 to 6.50); d1 −1.00"
    torn = drawn(*[None, 3.0, 1.0, 1.0] * 30, shape="lines")
    ends = "Actual: d1 3.00; d119 1.00. Lowest: d2 1.00. Highest: d1 3.00"
    assert chart_description(torn, "en") == f"Energy, kWh, d0 – d119. {ends}. not known: 30 of 120"
    line = drawn(None, None, None, 2.0, None, shape="lines")
    assert chart_description(line, "de") == "Energy, kWh. Actual: d0 bis d2 nicht bekannt; d3 2.00; d4 nicht bekannt"
    assert "d0 not known; d1 not known; d2 not" in chart_description(line.model_copy(update={"shape": "bars"}), "en")
    lost = series.model_copy(update={"name": "Expected", "values": (None,) * 120})
    assert chart_description(torn.model_copy(update={"series": (*torn.series, lost)}), "de").endswith(
        "nicht bekannt: 30 von 120. Expected: nicht bekannt: 120 von 120"
    )
    hours = tuple(series.model_copy(update={"name": f"{hour:02}:00"}) for hour in range(2))
    heat = made.model_copy(update={"shape": "heat", "series": hours})
    assert chart_description(heat, "en") == "Energy, kWh, d0 – d1. Lowest: d1 00:00 −1.00. Highest: d0 00:00 5.00"
