"""Pictures and tables for metadata in the Dagster UI: shells draw, rooms hand over frames."""

import base64
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg

from assets.tariffs.formats.tariff_text import PriceWeek
from data_quality.contracts.finding import Finding
from data_quality.contracts.text import markdown

if TYPE_CHECKING:
    from data_quality.contracts.control.forecast import ForecastRow
    from data_quality.contracts.site_file.site import Site
    from ml.features.series import Series
    from ml.forecasts.feature_history import FeatureHistory

# Okabe-Ito: told apart by people with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
STYLES = ("-", "--", ":", "-.")
# Of a series, before a forecast of it.
DAYS_BEFORE = 7
# Of so many features each can be read; of one source the strongest alone, or lags would leave no room for the weather.
FEATURES_SHOWN, OF_SOURCE, FEATURE_DAYS = 24, 7, 60
# Metadata under which an asset attaches its findings, for whoever asked for the run.
FINDINGS = "findings"
Preview = dg.MarkdownMetadataValue
Metadata = dict[str, Any]


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, limit: int = 50) -> dg.MarkdownMetadataValue:
    """A Markdown table of at most `limit` rows, saying how many were left out."""
    lines = ["| " + " | ".join(_cell(name) for name in columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows[:limit]]
    if len(rows) > limit:
        lines.append(f"\n… and {len(rows) - limit} more rows")
    return dg.MetadataValue.md("\n".join(lines))


def findings_metadata(found: Iterable[Finding]) -> dg.JsonMetadataValue:
    """Findings as data, beside the tables that people look at."""
    return dg.MetadataValue.json([each.model_dump(mode="json") for each in found])


def by_site(shown: Mapping[str, Metadata]) -> Metadata:
    """Metadata of a step over one site as they are; over several their plain facts, a line a site. shown: by site."""
    if len(shown) == 1:
        [facts] = shown.values()
        return facts
    plain = {site_id: {k: v for k, v in facts.items() if isinstance(v, int | str)} for site_id, facts in shown.items()}
    names = list(dict.fromkeys(name for facts in plain.values() for name in facts))
    rows = [[site_id, *(facts.get(name) for name in names)] for site_id, facts in plain.items()]
    count = sum(int(facts.get("dagster/row_count", 0)) for facts in plain.values())
    heads = ["site", *(name.removeprefix("dagster/").replace("_", " ") for name in names)]
    return {"dagster/row_count": count, "sites": table(heads, rows, limit=len(rows))}


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return markdown(f"{value:,.2f}" if isinstance(value, float) else str(value))


def lines(
    times: Sequence[date | datetime], series: Mapping[str, Sequence[float | None]], *, title: str, unit: str
) -> dg.MarkdownMetadataValue:
    """A line chart as an embedded PNG of a few kilobytes: the event log keeps one for each partition of a run."""
    return embedded(lines_png(times, series, title=title, unit=unit), title=title)


def lines_png(
    times: Sequence[date | datetime], series: Mapping[str, Sequence[float | None]], *, title: str, unit: str
) -> bytes:
    """A line chart."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    # Without pyplot, which keeps every figure in a global list and is not for threads.
    figure = Figure(figsize=(9, 3), dpi=80, layout="constrained")
    axes = figure.subplots()
    moments: Any = list(times)
    # Four colours can be told apart; a fifth line has the first one again, and is dashed.
    for (style, colour), (name, values) in zip(cycle(product(STYLES, COLOURS)), series.items(), strict=False):
        known = [float("nan") if value is None else float(value) for value in values]
        axes.plot(moments, known, label=name, color=colour, linestyle=style)
    axes.set_title(title, loc="left")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)
    places = AutoDateLocator()
    axes.xaxis.set_major_locator(places)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(places))
    axes.legend(frameon=False, ncols=min(len(series), len(COLOURS)))
    return png_of(figure)


def event_png(
    times: Sequence[datetime],
    series: Mapping[str, Sequence[float | None]],
    *,
    shaded: tuple[datetime, datetime],
    title: str,
    unit: str,
    time_zone: str,
) -> bytes:
    """PNG: lines over one axis with a span of it shaded. time_zone: of the axis."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    zone = ZoneInfo(time_zone)
    # Matplotlib takes times, and its types know numbers alone.
    moments: Any = list(times)
    span: Any = shaded
    figure = Figure(figsize=(9, 3), dpi=80, layout="constrained")
    axes = figure.subplots()
    for style, colour, (name, values) in zip(("-", "--"), COLOURS[1::-1], series.items(), strict=True):
        known = [float("nan") if value is None else value for value in values]
        axes.plot(moments, known, label=name, color=colour, linestyle=style, linewidth=1.2)
    axes.axvspan(*span, color=COLOURS[1], alpha=0.12, linewidth=0, label="event")
    places = AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(places)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(places, tz=zone, show_offset=False))
    axes.set_title(title, loc="left")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, ncols=3)
    return png_of(figure)


def bars_png(names: Sequence[str], series: Mapping[str, Sequence[float | None]], *, title: str, unit: str) -> bytes:
    """A bar for each name, beside each other where there are several series; None is a gap."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), dpi=80, layout="constrained")
    axes, width = figure.subplots(), 0.8 / max(len(series), 1)
    for number, (name, values) in enumerate(series.items()):
        known = [float("nan") if value is None else float(value) for value in values]
        places = [place + (number - (len(series) - 1) / 2) * width for place in range(len(names))]
        axes.bar(places, known, width, label=name, color=COLOURS[number % len(COLOURS)])
    axes.set_xticks(range(len(names)), labels=list(names))
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_title(title, loc="left")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3, axis="y")
    if len(series) > 1:
        axes.legend(frameon=False, ncols=len(series))
    return png_of(figure)


def confusion_png(counts: Mapping[tuple[Any, Any], int]) -> bytes:
    """Events by their cause as people say it, and as a model names it; the darker the more."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(one for one, _ in counts))
    shown = [name.replace("_", " ") for name in names]
    figure = Figure(figsize=(5, 4), dpi=80, layout="constrained")
    axes, most = figure.subplots(), max([*counts.values(), 1])
    axes.imshow([[counts[one, other] for other in names] for one in names], cmap="Blues", vmin=0, vmax=most)
    for row, one in enumerate(names):
        for column, other in enumerate(names):
            dark = counts[one, other] > most / 2
            axes.text(
                column, row, str(counts[one, other]), ha="center", va="center", color="white" if dark else "black"
            )
    axes.set_xticks(range(len(names)), labels=shown, rotation=20, ha="right")
    axes.set_yticks(range(len(names)), labels=shown)
    axes.set_xlabel("named by the model")
    axes.set_ylabel("said by people")
    axes.set_title("Causes of events", loc="left")
    return png_of(figure)


def embedded(png: bytes, *, title: str) -> dg.MarkdownMetadataValue:
    """A picture that travels within its metadata."""
    return dg.MetadataValue.md(f"![{markdown(title)}](data:image/png;base64,{base64.b64encode(png).decode()})")


def png_of(figure: Any, colours: int = 32) -> bytes:
    """A drawn figure in no more colours than these."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    buffer, canvas = io.BytesIO(), FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
    # Lines on white need no more colours than their edges do.
    drawn.convert("RGB").quantize(colours).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def week_heat_map(weeks: Sequence[PriceWeek], *, title: str, unit: str) -> bytes:
    """PNG: energy price by weekday and hour, one panel per group of months, one colour scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.8 + 1.9 * len(weeks)), layout="constrained")
    panels = figure.subplots(len(weeks), 1, squeeze=False)[:, 0]
    low = min(float(week.price_per_kwh.min()) for week in weeks)
    high = max(float(week.price_per_kwh.max()) for week in weeks)
    drawn: Any = None
    for axes, week in zip(panels, weeks, strict=True):
        drawn = axes.imshow(
            week.price_per_kwh, aspect="auto", vmin=low, vmax=high, cmap="viridis", extent=(0, 24, 7, 0)
        )
        axes.set_title(week.label, loc="left", fontsize="medium")
        axes.set_yticks([n + 0.5 for n in range(7)], labels=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
        axes.set_xticks(range(0, 25, 2))
    panels[-1].set_xlabel("hour of day, the tariff's clock")
    figure.suptitle(f"{title}: energy price, first tier", x=0.01, ha="left")
    figure.colorbar(drawn, ax=list(panels), label=unit)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def forecast_picture(series: "Series", rows: "Sequence[ForecastRow]", *, title: str, time_zone: str) -> bytes:
    """PNG: a week of the series, which ends at the issue, and the rows of the forecast. time_zone: of the axis."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    zone = ZoneInfo(time_zone)
    figure = Figure(figsize=(10, 3.4), dpi=90, layout="constrained")
    axes = figure.subplots()
    first = max(len(series.values) - DAYS_BEFORE * series.per_day, 0)
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


def feature_pictures(site: "Site", targets: Sequence[str], *, data_dir: Path, **known: Any) -> dict[str, bytes]:
    """Title -> PNG of each target of a site that has enough days. known: as `feature_history` takes them."""
    from assets.stores.feature_days import FeatureDays
    from ml.forecasts.feature_history import FeatureHistory, feature_history

    known["store"] = FeatureDays(data_dir)
    found = {name: feature_history(site, name, days=FEATURE_DAYS, **known) for name in targets}
    return {
        f"{name} features": correlation_png(each) for name, each in found.items() if isinstance(each, FeatureHistory)
    }


def correlation_png(history: "FeatureHistory") -> bytes:
    """PNG: the strongest features of each source by lead block, blue where both rise together, red where one falls."""
    from matplotlib.figure import Figure

    of_source = Counter[str]()
    shown = []
    for each in history.correlations:
        of_source[each.source] += 1
        if of_source[each.source] <= OF_SOURCE:
            shown.append(each)
    shown = shown[:FEATURES_SHOWN]
    blocks = list(shown[0].by_lead)
    figure = Figure(figsize=(7.5, 1.2 + 0.24 * len(shown)), dpi=80, layout="constrained")
    axes = figure.subplots()
    values = [[each.by_lead[block] for block in blocks] for each in shown]
    drawn = axes.imshow(
        [[0.0 if value is None else value for value in row] for row in values],
        cmap="RdBu", vmin=-1, vmax=1, aspect="auto",
    )  # fmt: skip
    for place, row in enumerate(values):
        for column, value in enumerate(row):
            colour = "white" if value is not None and abs(value) > 0.6 else "black"
            text = "–" if value is None else f"{value:+.2f}"
            axes.text(column, place, text, ha="center", va="center", color=colour, fontsize="small")
    axes.set_xticks(range(len(blocks)), labels=[_hours_ahead(block) for block in blocks])
    axes.set_xlabel("hours ahead", loc="right", fontsize="small")
    axes.set_yticks(range(len(shown)), labels=[each.feature for each in shown], fontsize="small")
    days = f"{len(history.kept)} days as kept, {len(history.rebuilt)} rebuilt"
    axes.set_title(f"{history.target}: rank correlation with what came, {days}", loc="left", fontsize="medium")
    figure.colorbar(drawn, ax=axes, shrink=0.6)
    return png_of(figure, colours=256)


def _hours_ahead(block: str) -> str:
    """Hours ahead that a lead block stands for."""
    first = block.removeprefix("h")
    return f"{int(first)} to {int(first) + 6}" if first.isdigit() else "whole day"
