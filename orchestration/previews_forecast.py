"""The picture of a forecast: what was measured, then the middle and the band in which eight of ten are to lie."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orchestration.previews import COLOURS, png_of

if TYPE_CHECKING:
    from data_quality.contracts.control.forecast import ForecastRow
    from ml.features.series import Series

_DAYS_BEFORE = 7


def forecast_picture(series: "Series", rows: "Sequence[ForecastRow]", *, title: str, time_zone: str) -> bytes:
    """PNG: a week of the series, which ends at the issue, and the rows of the forecast. time_zone: of the axis."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    zone = ZoneInfo(time_zone)
    figure = Figure(figsize=(10, 3.4), dpi=90, layout="constrained")
    axes = figure.subplots()
    first = max(len(series.values) - _DAYS_BEFORE * series.per_day, 0)
    before: Any = [series.time(n) for n in range(first, len(series.values))]
    ahead: Any = [row.time_utc for row in rows]
    axes.plot(before, series.values[first:], color="#222222", linewidth=1.0, label="measured")
    axes.fill_between(
        ahead, [row.p10 for row in rows], [row.p90 for row in rows], color=COLOURS[0], alpha=0.3, linewidth=0,
        label="P10 to P90",
    )  # fmt: skip
    axes.plot(ahead, [row.p50 for row in rows], color=COLOURS[0], linewidth=1.6, label="P50")
    places = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(places)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(places, tz=zone, show_offset=False))
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    axes.set_xlabel(f"local time, {time_zone}", loc="right", fontsize="small")
    axes.set_ylabel(series.unit)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0)
    axes.legend(frameon=False, ncols=3, fontsize="small", loc="upper left")
    return png_of(figure, colours=64)
