"""The trace of a figure of a stored what-if: recomputed from the months that are sealed with it."""

from decimal import Decimal

from assets.stores.ledgers.results import WhatIfs, path_figure
from assets.stores.transactions import Store
from data_quality.contracts.control.what_if import WhatIfResult, WhatIfVariant
from data_quality.contracts.reporting.figure import Figure, Trace, TraceInput
from reports.figures.trace import TraceReport

_LABELS = {
    "cost": "bill a year with {name}", "without": "bill a year as it is", "saving": "saving a year of {name}",
    "saving_low": "low end of the saving of {name}", "saving_high": "high end of the saving of {name}",
    "kgco2e": "emissions a year with {name}", "saving_kgco2e": "emissions saved a year by {name}",
    "payback_years": "payback of {name}",
}  # fmt: skip


def what_if_trace(store: Store, figure_id: str) -> TraceReport | None:
    """The figure and its value again, None for an id of no what-if. Raises where the row is not as it was sealed.

    What the planner did in the months is quoted, as a fitted baseline is; its readings are named by their hash.
    """
    from controls.planning.what_if.bands import figures_of, payback_by

    held = WhatIfs(store).holding(figure_id)
    if held is None:
        return None
    result, variant, name = held
    low, high = variant.interval
    paths = {path_figure(each): each.payback_years for each in variant.paths}
    stored = {**variant.model_dump(), "saving_low": low, "saving_high": high, **paths}[name]
    found = figures_of(variant.months, variant.price, seed=result.seed)
    if (price := variant.price) is not None:
        middle, saving = (price.low + price.high) / 2, found["saving"] or 0.0
        found |= {path_figure(each): payback_by(middle, saving, each) for each in variant.paths}
    computed = found[name]
    figure = _figure(result, variant, name, stored, figure_id)
    value, recomputed = figure.value, None if computed is None else Decimal(repr(computed))
    return TraceReport(
        figure=figure,
        inputs=figure.trace.inputs,
        versions={},
        recomputed=recomputed,
        is_equal=value == recomputed,
        difference=None if value is None or recomputed is None else recomputed - value,
    )


def _figure(result: WhatIfResult, variant: WhatIfVariant, name: str, value: float | None, figure_id: str) -> Figure:
    units = {"kgco2e": "kgco2e", "saving_kgco2e": "kgco2e", "payback_years": "years"}
    kind, _, path = name.partition("/")
    assert result.recorded_at_utc is not None  # noqa: S101 - a stored one
    return Figure(
        figure_id=figure_id,
        path=f"{variant.name}/{name}",
        label=_LABELS[kind].format(name=variant.name) + (f", prices {path}" if path else ""),
        kpi="what_if",
        scope=f"site:{result.site_id}",
        start=result.start,
        end=result.end,
        value=None if value is None else Decimal(repr(value)),
        unit=units.get(kind, result.currency),
        is_synthetic=True,
        findings=tuple(each.code for each in result.findings),
        trace=Trace(
            computation="what_if_months",
            code_sha256="",
            parameters={"site": result.site_id, "variant": variant.name, "seed": str(result.seed)},
            as_of_utc=result.recorded_at_utc,
            inputs=(
                TraceInput(kind="version", id=result.result_id, role="what_if"),
                TraceInput(
                    kind="lake", id=f"{result.site_id}/{result.start}/{result.end}", role="readings",
                    sha256=result.readings_sha256,
                ),
            ),
        ),
    )  # fmt: skip
