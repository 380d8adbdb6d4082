"""The figures of the EnPI report: what is read from the lake first, then what is made of it. No text, no layout."""

from collections.abc import Iterable
from itertools import combinations

from assets.kpi.enpi_of_use.enpi_result import EnpiMonth, EnpiResult
from assets.kpi.scope_streams import FACTORED
from assets.sites.overlap import regions_of
from data_quality.contracts.baselines.baseline import Baseline, BaselineVersion
from data_quality.contracts.reporting.figure import Figure, TraceInput
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period
from reports.again.computations import assessment_field, baseline_input, number_of
from reports.datasets.of_uses.enpi_inputs import SITE_KPIS, EnpiInputs, SiteSpan
from reports.figures import FigureBook
from reports.writer import counted

UNITS = {
    "consumption_kwh": "kwh",
    "peak_15min_kw": "kw",
    "load_factor": "ratio",
    "emission_kgco2e": "kgco2e",
    "coverage": "ratio",
}
LABELS = {
    "consumption_kwh": "Consumption",
    "peak_15min_kw": "Peak, 15 min",
    "load_factor": "Load factor",
    "cost": "Cost",
    "emission_kgco2e": "Emissions, location-based",
    "coverage": "Coverage",
}
STATISTICS = (
    "n",
    "r2",
    "r2_adj",
    "cvrmse_n",
    "cvrmse_g14",
    "cvrmse_caltrack",
    "cvrmse_out_of_sample",
    "nmbe_out_of_sample",
    "rho1",
)
COEFFICIENT_FIELDS = ("value", "ci_low", "ci_high", "p_value")


def add_figures(book: FigureBook, given: EnpiInputs) -> dict[str, EnpiResult]:
    """Fill the book with every figure of the report; returns the assessment of each SEU."""
    results = {seu.seu_id: given.assess(seu) for seu in given.seus}
    for seu in given.seus:
        for month in given.month_periods:
            _add_seu_span(book, given, seu, month)
        _add_seu_total(book, given, seu, results[seu.seu_id])
        if seu.seu_id in given.versions:
            _add_baseline(book, given.versions[seu.seu_id])
    for carrier, seus in summed_seus(given).items():
        _add_carrier_total(book, given, carrier, seus)
    _add_site(book, given)
    for name in ("files", "accepted_rows", "rejected_rows"):
        book.add(
            f"quality/{name}",
            given.batch_counts[name],
            label=name.replace("_", " ").capitalize(),
            kpi=name,
            unit="count",
            computation="batch_count",
            parameters={**_span_of(given, given.period), "field": name},
            inputs=[_lake(given, given.period), given.site_input, *given.calendar],
            scope=f"site:{given.site.site_id}",
            start=given.period.start,
            end=given.period.end,
        )
    return results


def summed_seus(given: EnpiInputs) -> dict[str, list[Seu]]:
    """Carrier -> SEUs that its total adds: leaves only, with numbers, and never the same meter twice."""
    groups: dict[str, list[Seu]] = {}
    for seu in given.seus:
        # An aggregate holds the others; a use without a compared day would make the whole sum unknown.
        if not seu.is_aggregate and given.assess(seu).compared_days:
            groups.setdefault(seu.carrier.value, []).append(seu)
    return {carrier: seus for carrier, seus in groups.items() if not overlapping(seus, given.site)}


def overlapping(seus: Iterable[Seu], site: Site) -> list[tuple[Seu, Seu]]:
    """Pairs of SEUs that share energy: a meter, one above or below it, or one that a formula holds."""
    parts = [(seu, regions_of(site, seu.meters)) for seu in seus]
    return [(one, two) for (one, mine), (two, theirs) in combinations(parts, 2) if mine & theirs]


def month_key(period: Period | SiteSpan | EnpiMonth) -> str:
    """The month's name in a path: 2025-01."""
    return f"{period.start:%Y-%m}"


def _add_seu_span(book: FigureBook, given: EnpiInputs, seu: Seu, month: Period) -> None:
    result = given.assess(seu, month)
    path = f"seu/{seu.seu_id}/{month_key(month)}"
    for name in ("actual_kwh", "expected_kwh", "compared_days"):
        _add_assessed(book, given, seu, month, result=result, path=path, name=name)
    barred, status = given.barred([seu], month), result.months[0].status
    _derive_comparison(book, path, name=seu.name, scope=f"seu:{seu.seu_id}", status=status, barred=barred)


def _add_seu_total(book: FigureBook, given: EnpiInputs, seu: Seu, result: EnpiResult) -> None:
    path, scope = f"seu/{seu.seu_id}", f"seu:{seu.seu_id}"
    for name in ("metered_kwh", "compared_days", "coverage", "estimated_share", "uncertainty_kwh"):
        _add_assessed(book, given, seu, given.period, result=result, path=path, name=name)
    for name, label in (("actual_kwh", "actual"), ("expected_kwh", "expected")):
        # Made of the printed months, so that a reader's own addition comes out.
        parts = [("part", book.at(f"{path}/{month_key(month)}/{name}")) for month in given.month_periods]
        book.derive(f"{path}/{name}", "sum", parts, label=f"{seu.name}, {label}", kpi=name, unit="kwh", scope=scope)
    _derive_comparison(
        book, path, name=seu.name, scope=scope, status=result.status, uncertainty=result.uncertainty_kwh,
        barred=given.barred([seu], given.period),
    )  # fmt: skip


def _add_assessed(
    book: FigureBook, given: EnpiInputs, seu: Seu, period: Period, *, result: EnpiResult, path: str, name: str
) -> Figure:
    version = given.versions.get(seu.seu_id)
    inputs = [_lake(given, period), given.site_input, *given.calendar, *([baseline_input(version)] if version else [])]
    inputs += [given.adjustments[seu.seu_id]] if seu.seu_id in given.adjustments else []
    value = assessment_field(result, name)
    return book.add(
        f"{path}/{name}",
        value,
        label=f"{seu.name}, {name.removesuffix('_kwh').replace('_', ' ')}",
        kpi=name,
        scope=f"seu:{seu.seu_id}",
        start=period.start,
        end=period.end,
        unit="kwh" if name.endswith("_kwh") else "days" if name.endswith("_days") else "ratio",
        computation="seu_assessment",
        parameters={
            **_span_of(given, period),
            "seu": seu.seu_id,
            "field": name,
            "confidence": repr(given.confidence),
            "min_day_coverage": repr(given.rule.min_day_coverage),
        },
        inputs=inputs,
        status="" if value is not None else result.reason or "missing",
        coverage=result.coverage,
        estimated_share=result.estimated_share,
        findings=(result.reason,) if result.reason else (),
    )


def _derive_comparison(
    book: FigureBook,
    path: str,
    *,
    name: str,
    scope: str,
    status: str,
    uncertainty: float | None = None,
    barred: str = "",
) -> None:
    actual, expected = ("actual", book.at(f"{path}/actual_kwh")), ("expected", book.at(f"{path}/expected_kwh"))
    rows = (
        ("delta_kwh", "difference", (actual, expected), "actual minus expected", "kwh"),
        ("savings_kwh", "difference", (expected, actual), "savings", "kwh"),
        ("enpi", "ratio", (actual, expected), "EnPI", "ratio"),
        ("deviation_percent", "deviation_percent", (actual, expected), "deviation", "percent"),
    )
    for kpi, computation, inputs, label, unit in rows:
        if kpi == "savings_kwh" and barred:
            compared = actual[1]
            book.add(
                f"{path}/{kpi}", None, label=f"{name}, {label}", kpi=kpi, scope=scope, start=compared.start,
                end=compared.end, unit=unit, computation="nothing", parameters={}, inputs=[], status=barred,
                findings=(barred,),
            )  # fmt: skip
            continue
        book.derive(
            f"{path}/{kpi}",
            computation,
            inputs,
            label=f"{name}, {label}",
            kpi=kpi,
            unit=unit,
            scope=scope,
            # The status is judged by the deviation, so it stands there alone.
            status=status if kpi == "deviation_percent" else "",
            # The band is that of a difference; the ratio's would be another.
            uncertainty=uncertainty if kpi in {"delta_kwh", "savings_kwh"} else None,
        )


def _add_carrier_total(book: FigureBook, given: EnpiInputs, carrier: str, seus: list[Seu]) -> None:
    path, scope, name = f"total/{carrier}", f"site:{given.site.site_id}", f"Sum of {counted(len(seus), 'use')}"
    for part in [*(f"/{month_key(month)}" for month in given.month_periods), ""]:
        for kpi in ("actual_kwh", "expected_kwh"):
            parts = [("part", book.at(f"seu/{seu.seu_id}{part}/{kpi}")) for seu in seus]
            label = f"{name}, {kpi.removesuffix('_kwh')}"
            book.derive(f"{path}{part}/{kpi}", "sum", parts, label=label, kpi=kpi, unit="kwh", scope=scope)
    barred = given.barred(seus, given.period)
    _derive_comparison(book, path, name=name, scope=scope, status="", barred=barred)


def _add_site(book: FigureBook, given: EnpiInputs) -> None:
    for month in given.months:
        for kpi in SITE_KPIS:
            _add_site_kpi(book, given, month, kpi, f"site/{month_key(month)}/{kpi}")
        _add_site_coverage(book, given, month, f"site/{month_key(month)}/coverage")
    for kpi, computation in (
        ("consumption_kwh", "sum"),
        ("peak_15min_kw", "max"),
        ("cost", "sum"),
        ("emission_kgco2e", "sum"),
    ):
        parts = [("part", book.at(f"site/{month_key(month)}/{kpi}")) for month in given.months]
        book.derive(f"site/{kpi}", computation, parts, label=LABELS[kpi], kpi=kpi, unit=_unit(given, kpi))
    # Made of the whole span again: load factors of months neither add up nor average.
    _add_site_kpi(book, given, given.whole, "load_factor", "site/load_factor")
    _add_site_coverage(book, given, given.whole, "site/coverage")


def _add_site_kpi(book: FigureBook, given: EnpiInputs, span: SiteSpan, kpi: str, path: str) -> None:
    scope, factors = f"site:{given.site.site_id}", given.factors.get((span.start, span.end), ())
    book.add(
        path,
        span.values[kpi],
        label=LABELS[kpi],
        kpi=kpi,
        unit=_unit(given, kpi),
        computation="scope_kpi",
        parameters={**_span_of(given, span), "scope": scope, "kpi": kpi},
        inputs=[
            _lake(given, span),
            given.site_input,
            *given.calendar,
            given.definition,
            *(factors if kpi in FACTORED else ()),
        ],
        coverage=float(span.coverage),
        findings=span.findings.get(kpi, ()),
        scope=f"site:{given.site.site_id}",
        start=span.start,
        end=span.end,
    )


def _add_site_coverage(book: FigureBook, given: EnpiInputs, span: SiteSpan, path: str) -> None:
    book.add(
        path,
        span.coverage,
        label=LABELS["coverage"],
        kpi="coverage",
        unit="ratio",
        computation="scope_coverage",
        parameters=_span_of(given, span),
        inputs=[_lake(given, span), given.site_input, *given.calendar],
        scope=f"site:{given.site.site_id}",
        start=span.start,
        end=span.end,
    )


def _add_baseline(book: FigureBook, version: BaselineVersion) -> None:
    baseline = version.baseline
    for name in STATISTICS:
        _add_baseline_number(book, version, baseline, name, "count" if name == "n" else "ratio")
    for term in baseline.coefficients:
        for field in COEFFICIENT_FIELDS:
            unit = "ratio" if field == "p_value" else "kwh/day"
            _add_baseline_number(book, version, baseline, f"{term.name}:{field}", unit)


def _add_baseline_number(
    book: FigureBook, version: BaselineVersion, baseline: Baseline, name: str, unit: str
) -> Figure:
    return book.add(
        f"baseline/{baseline.seu_id}/{name.replace(':', '/')}",
        number_of(baseline, name),
        label=f"{baseline.seu_id} baseline, {name.replace(':', ' ')}",
        kpi=name,
        scope=f"seu:{baseline.seu_id}",
        start=baseline.train_start,
        end=baseline.train_end,
        unit=unit,
        computation="baseline_number",
        parameters={"name": name},
        inputs=[baseline_input(version)],
    )


def _lake(given: EnpiInputs, span: Period | SiteSpan) -> TraceInput:
    return given.lake[span.start, span.end]


def _span_of(given: EnpiInputs, span: Period | SiteSpan) -> dict[str, str]:
    return {"site": given.site.site_id, "start": span.start.isoformat(), "end": span.end.isoformat()}


def _unit(given: EnpiInputs, kpi: str) -> str:
    return given.site.currency if kpi == "cost" else UNITS[kpi]
