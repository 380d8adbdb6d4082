"""A KPI figure as the command line and the API say it: one row of JSON."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from assets.kpi.scope_streams import FACTORED, carriers_of
from assets.tariffs.price_in_force import price_sources
from data_quality.contracts.reporting.figure import Figure
from reports.recompute.figure_sources import Sources

PRICED = ("cost",)
FIGURE_FIELDS = {
    "kpi", "scope", "start", "end", "value", "unit", "figure_id", "coverage", "estimated_share", "findings",
    "is_synthetic",
}  # fmt: skip
VERSION_FIELDS = {
    "carrier", "factor_id", "kgco2e_per_kwh", "valid_from", "valid_to", "origin", "source", "sha256", "recorded_at_utc",
}  # fmt: skip


@cache
def kpi_catalogue() -> Mapping[str, Mapping[str, str]]:
    """KPI -> its row of the catalogue (title, formula, unit, grains, scopes, definition, warning), in its order."""
    from orchestration.warehouse.dbt import PROJECT_DIR

    with (PROJECT_DIR / "seeds" / "kpi_catalogue.csv").open(newline="", encoding="utf-8") as file:
        return {row["kpi"]: row for row in csv.DictReader(file)}


def row_of(figure: Figure, sources: Sources, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """A figure as a row of the answer: with its finding, and the tariffs and factor versions of its period.

    figures: by id, those that it may be made of among them.
    """
    named = [each.trace.parameters for each in _leaves(figure, figures)]
    behind = list(dict.fromkeys((each["site"], each["scope"]) for each in named))
    versions = [
        version
        for site_id, scope in (behind if figure.kpi in FACTORED else ())
        for version in sources.factor_versions(
            sources.site(site_id), scope, figure.start, figure.end, figure.trace.as_of_utc
        )
    ]
    return {
        **figure.model_dump(include=FIGURE_FIELDS),
        "hour_start_utc": figure.trace.parameters.get("hour_start_utc", ""),
        "finding": "" if figure.status == "ok" else figure.status,
        "tariffs": _tariffs(behind, figure, sources) if figure.kpi in PRICED else [],
        "factors": list(dict.fromkeys(each.factor_id for each in versions)),
        "factor_versions": [each.model_dump(include=VERSION_FIELDS) for each in versions],
    }


def _leaves(figure: Figure, figures: Mapping[str, Figure]) -> Iterator[Figure]:
    """The figures of scopes that it is made of; itself where it is one."""
    if "site" in figure.trace.parameters:
        yield figure
    for given in figure.trace.inputs:
        if given.kind == "figure":
            yield from _leaves(figures[given.id], figures)


def _tariffs(behind: Iterable[tuple[str, str]], figure: Figure, sources: Sources) -> list[str]:
    """Ids of the tariffs, or of the price stream, that price a day of the figure for one of the scope's carriers."""
    found = [
        name
        for site_id, scope in behind
        for carrier in carriers_of(sources.site(site_id), scope)
        for name in price_sources(sources.site(site_id), carrier, figure.start, figure.end)
    ]
    return list(dict.fromkeys(found))
