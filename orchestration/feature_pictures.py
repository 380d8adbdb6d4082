"""Picture of what features of a forecast have to do with what came: for the Dagster UI and the command line."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestration.previews import png_of

if TYPE_CHECKING:
    from data_quality.contracts.site_file.site import Site
    from ml.forecasts.feature_history import FeatureHistory

# Of so many rows each can be read; of one source the strongest alone, or lags would leave no room for the weather.
SHOWN, OF_SOURCE, DAYS = 24, 7, 60


def feature_pictures(site: "Site", targets: Sequence[str], **known: Any) -> dict[str, bytes]:
    """Title -> PNG of each target of a site that has enough days. known: as `feature_history` takes them."""
    from ml.forecasts.feature_history import FeatureHistory, feature_history

    found = {name: feature_history(site, name, days=DAYS, **known) for name in targets}
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
    shown = shown[:SHOWN]
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
    axes.set_xticks(range(len(blocks)), labels=[_titled(block) for block in blocks])
    axes.set_xlabel("hours ahead", loc="right", fontsize="small")
    axes.set_yticks(range(len(shown)), labels=[each.feature for each in shown], fontsize="small")
    days = f"{len(history.kept)} days as kept, {len(history.rebuilt)} rebuilt"
    axes.set_title(f"{history.target}: rank correlation with what came, {days}", loc="left", fontsize="medium")
    figure.colorbar(drawn, ax=axes, shrink=0.6)
    return png_of(figure, colours=256)


def _titled(block: str) -> str:
    """Hours ahead that a lead block stands for."""
    first = block.removeprefix("h")
    return f"{int(first)} to {int(first) + 6}" if first.isdigit() else "whole day"
