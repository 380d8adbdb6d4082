"""Bands of figures: what meters, factors and models behind one may be off, walked from its trace and propagated to it.

Nothing is stored: a band follows from the trace as the value does, with the classes and factors as known then. A class
or an uncertainty that nobody stated is told by code and is in no band.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from assets.kpi.claims.mv_savings import project_of, project_use
from assets.kpi.enpi.enpi_result import EnpiRule, enpi_for
from assets.kpi.from_readings import EXPECTED
from assets.kpi.propagation import MODEL, Spread, band_of, combined, of_half, scaled
from assets.sites.scopes import Member
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import REGISTER_KPI, Band, BandExclusion, Figure
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import Period
from reports.recompute import footprint
from reports.recompute.bill import bill_spread
from reports.recompute.computations import COMBINATIONS, LEAVES, version_named
from reports.recompute.figure import Lookup, pinned
from reports.recompute.figure_leaf import CARBON, COST, ENERGY, PEAK, Leaf, Share
from reports.recompute.figure_sources import Sources, parse_dates, seu_of
from reports.recompute.hours import QUARTER
from reports.recompute.peak_shares import peak_shares, running_shares

# KPIs that are an amount over something else, which is taken as exact.
PER: Mapping[str, str] = {
    "eui_kwh_per_m2": ENERGY, "eui_rolling12_kwh_per_m2": ENERGY, "kwh_per_occupant": ENERGY, "kwh_per_product": ENERGY,
    "kwh_per_hdd": ENERGY, "kwh_per_cdd": ENERGY, "emission_kgco2e_per_m2": CARBON,
}  # fmt: skip
# What is made of an expected and an actual energy, and by which combination.
_COMPARED: Mapping[str, tuple[str, tuple[str, str]]] = {
    "claimed_kwh": ("difference", ("expected", "actual")),
    "savings_kwh": ("difference", ("expected", "actual")),
    "delta_kwh": ("difference", ("actual", "expected")),
    "delta_percent": ("deviation_percent", ("actual", "expected")),
}
_EXACT = ("group_share", "nothing")
_TAKEN_AS_EXACT = ("stated_number", "known_floor_area")


def figure_band(figure: Figure, *, sources: Sources, lookup: Lookup) -> Band:
    """The band of a figure, from its trace. lookup: gives the figures that it is made of by id."""
    return band_of(spread_of(figure, sources=sources, lookup=lookup, known={}))


def figure_bands(figures: Iterable[Figure], *, sources: Sources, lookup: Lookup) -> list[Band]:
    """The band of each, in their order; what several are made of is looked at once."""
    known: dict[str, Spread] = {}
    return [band_of(spread_of(each, sources=sources, lookup=lookup, known=known)) for each in figures]


def spread_of(figure: Figure, *, sources: Sources, lookup: Lookup, known: dict[str, Spread]) -> Spread:
    """Spread of a figure by source. known: those that were made already, by id."""
    if figure.figure_id not in known:
        trace = figure.trace
        if trace.computation in COMBINATIONS:
            given = [source for each in trace.inputs if (source := lookup(each.id)) is not None]
            if (whole := _of_one_model(figure, given)) is not None:
                return spread_of(whole, sources=sources, lookup=lookup, known=known)
            spreads = [spread_of(each, sources=sources, lookup=lookup, known=known) for each in given]
            known[figure.figure_id] = combined(trace.computation, figure.value, spreads)
        else:
            known[figure.figure_id] = _of_leaf(figure, sources)
    return known[figure.figure_id]


def _of_one_model(figure: Figure, given: Sequence[Figure]) -> Figure | None:
    """A sum of months that one model expects as what it expects of the whole span: errors of its months are its own,
    neither the same nor apart. None for any other sum.
    """
    if figure.trace.computation != "sum" or len(given) < 2:
        return None
    same = [{**each.trace.parameters, "start": "", "end": ""} for each in given]
    is_expected = same[0].get("field") == "expected_kwh" and all(each == same[0] for each in same)
    if not is_expected or given[0].trace.computation not in ("seu_assessment", "project_number"):
        return None
    named = {**same[0], "start": str(figure.start), "end": str(figure.end)}
    trace = given[0].trace.model_copy(update={"parameters": named})
    return figure.model_copy(update={"figure_id": f"{figure.figure_id}/whole", "trace": trace})


def _of_leaf(figure: Figure, sources: Sources) -> Spread:
    computation = figure.trace.computation
    if figure.value is None:
        return Spread(None, {})
    if computation in _EXACT:
        return Spread(float(figure.value), {})
    if computation in _TAKEN_AS_EXACT:
        return Spread(float(figure.value), {}, frozenset({BandExclusion("denominator_exact", figure.kpi)}))
    if computation not in _BY_COMPUTATION:
        return Spread(float(figure.value), {}, frozenset({BandExclusion("not_propagated", computation)}))
    return _BY_COMPUTATION[computation](Leaf(figure, pinned(figure, sources)))


def _kpi(leaf: Leaf) -> Spread:
    kpi, scope = leaf.named["kpi"], leaf.named["scope"]
    start, end = parse_dates(leaf.named)
    if kpi in EXPECTED:
        return _assessed(leaf, scope.removeprefix("seu:"), EnpiRule(), kpi)
    base = PER.get(kpi, kpi)
    if base not in (ENERGY, COST, CARBON, PEAK, REGISTER_KPI):
        return Spread(leaf.value, {}, frozenset({BandExclusion("not_propagated", kpi)}))
    shares = peak_shares(leaf, scope, start, end) if base == PEAK else leaf.of_scope(base, scope, start, end)
    if shares is None:
        return Spread(leaf.value, {}, frozenset({BandExclusion("not_propagated", kpi)}))
    found = leaf.spread(leaf.value, shares)
    return found._replace(left_out=found.left_out | {BandExclusion("denominator_exact", kpi)}) if kpi in PER else found


def _use(leaf: Leaf) -> Spread:
    named = leaf.named
    rule = EnpiRule(min_day_coverage=float(named["min_day_coverage"]))
    field, confidence = named.get("field", "claimed_kwh"), float(named.get("confidence", "0.9"))
    found = _assessed(leaf, named["seu"], rule, field, confidence)
    if "field" in named or not found.value:
        return found
    # What a saving is worth: each of its kWh at a price that is known.
    return scaled(found, leaf.value / found.value, leaf.value)


def _assessed(leaf: Leaf, seu_id: str, rule: EnpiRule, field: str, confidence: float = 0.9) -> Spread:
    start, end = parse_dates(leaf.named)
    named, site = version_named(leaf.trace), leaf.site
    period = Period(label="", start=start, end=end, time_zone=site.time_zone)
    version = None if named is None else leaf.sources.baseline(*named)
    pairs = leaf.sources.pairs(site, seu_id, named, period, leaf.trace.as_of_utc)
    found = enpi_for(pairs, seu_id=seu_id, version=version, period=period, rule=rule, confidence=confidence)
    trained = None if version is None else version.baseline.train_start
    half = None if found.uncertainty_kwh is None else of_half(found.uncertainty_kwh, confidence)
    key = f"{seu_id}/{'@'.join(map(str, named or ()))}/{start}/{end}"
    both = {"actual": found.metered_kwh if field == "metered_kwh" else found.actual_kwh, "expected": found.expected_kwh}
    return _of_both(leaf, field, both, _of_meters(leaf, seu_of(site, seu_id).meters), trained, (key, half))


def _project(leaf: Leaf) -> Spread:
    fields = ("actual_kwh", "expected_kwh", "uncertainty_kwh", "confidence")
    actual, expected, half, confidence = (_field(leaf, each) for each in fields)
    pinned_version = version_named(leaf.trace)
    if pinned_version is None or actual is None or expected is None or confidence is None:
        return Spread(leaf.value, {}, frozenset({BandExclusion("not_propagated", leaf.named["field"])}))
    use = project_use(leaf.site, project_of(leaf.site, leaf.named["project"]))
    sigma = None if half is None else of_half(float(half), float(confidence))
    trained = leaf.sources.baseline(*pinned_version).baseline.train_start
    key = f"{use.seu_id}/{leaf.named['start']}/{leaf.named['end']}"
    both = {"actual": actual, "expected": expected}
    return _of_both(leaf, leaf.named["field"], both, _of_meters(leaf, use.meters), trained, (key, sigma))


def _of_meters(leaf: Leaf, meters: Iterable[str]) -> list[Share]:
    start, end = parse_dates(leaf.named)
    return leaf.amounts(ENERGY, [(Member(each), start, end) for each in meters])


def _of_both(
    leaf: Leaf, field: str, energies: Mapping[str, Decimal], shares: Sequence[Share], trained: date | None,
    model: tuple[str, float | None],
) -> Spread:  # fmt: skip
    """The spread of an actual energy, an expected one, or what is made of both: a model was fitted to the same meter's
    readings, so that the meter's error is in both of them and largely cancels.
    """
    key, sigma = model
    actual = leaf.spread(float(energies["actual"]), shares)
    expected = leaf.spread(float(energies["expected"]), shares, before=trained)
    if sigma is None:
        expected = expected._replace(
            left_out=expected.left_out | {BandExclusion("model_error_unknown", key.partition("/")[0])}
        )
    else:
        expected = expected._replace(parts={**expected.parts, f"{MODEL}{leaf.site.site_id}/{key}": sigma})
    if field in ("actual_kwh", "metered_kwh"):
        return actual
    if field == "expected_kwh":
        return expected
    if field not in _COMPARED:
        return Spread(leaf.value, {}, frozenset({BandExclusion("not_propagated", field)}))
    computation, names = _COMPARED[field]
    both = {"actual": actual, "expected": expected}
    return combined(computation, leaf.figure.value, [both[name] for name in names])


def _inventory(leaf: Leaf) -> Spread:
    named, site, start_end = leaf.named, leaf.site, parse_dates(leaf.named)
    field, left = named["field"], named.get("left_out", "")
    first, after = (date.fromisoformat(named[each]) for each in ("account_start", "account_end"))
    period = Period(label="", start=start_end[0], end=start_end[1], time_zone=site.time_zone)
    account = Period(label="", start=first, end=after, time_zone=site.time_zone)
    by_factor: dict[tuple[str, str], float] = {}
    if field == "energy_kwh":
        for each in footprint.energies(leaf.sources, site, account, leaf.trace.as_of_utc, left):
            if each.role == "purchased" and period.start <= each.start < period.end and each.kwh is not None:
                key = (each.carrier.value, "")
                by_factor[key] = by_factor.get(key, 0.0) + float(each.kwh)
    elif field in footprint.LINES:
        for line in footprint.lines_of(leaf.sources, site, period, account, leaf.trace.as_of_utc, left):
            if (line.scope, line.method) == footprint.LINES[field] and line.kgco2e is not None:
                key = (line.carrier.value, line.factor_id or "")
                by_factor[key] = by_factor.get(key, 0.0) + float(line.kgco2e)
    else:
        return Spread(leaf.value, {}, frozenset({BandExclusion("not_propagated", field)}))
    versions = {each.factor_id: each for each in leaf.sources.factors(site, leaf.trace.as_of_utc).entries}
    shares = [
        Share(each.meter_id, each.weight * amount, versions.get(factor_id))
        for (carrier, factor_id), amount in by_factor.items()
        if amount and named.get("carrier", "") in ("", carrier)
        for each in _by_meter(leaf, carrier, *start_end)
    ]
    return leaf.spread(leaf.value, shares)


def _by_meter(leaf: Leaf, carrier: str, start: date, end: date) -> list[Share]:
    """The meters by which a carrier is bought, each with its part of one."""
    site = leaf.site
    scope = f"site:{site.site_id}" + ("" if carrier == "electricity" else f"/{carrier}")
    found = leaf.of_scope(ENERGY, scope, start, end)
    total = sum(each.weight for each in found)
    return [each._replace(weight=each.weight / total) for each in found] if total else []


def _running(leaf: Leaf) -> Spread:
    field = leaf.named["field"].removeprefix("projected_")
    base = {"import_kwh": ENERGY, "cost": COST, "energy_cost": COST, "emission_kgco2e": CARBON}.get(field)
    is_peak = field in ("peak_kw", "block_demand_kw")
    if base is None and not is_peak:
        return Spread(leaf.value, {}, frozenset({BandExclusion("not_propagated", field)}))
    # Until now: the month's end is yet to come.
    scope, days = f"site:{leaf.site.site_id}", (leaf.figure.start, leaf.figure.end)
    shares = running_shares(leaf, scope, *days) if base is None else leaf.of_scope(base, scope, *days)
    if shares is None:
        return Spread(leaf.value, {}, frozenset({BandExclusion("not_propagated", field)}))
    # Of a cost, what the meter counts; charges by the month are as they are, whatever it counts.
    metered = _field(leaf, "energy_cost") if field == "cost" and field == leaf.named["field"] else leaf.figure.value
    found = leaf.spread(float(metered or 0), shares)._replace(value=leaf.value)
    extra = (
        {BandExclusion("projection_error_unknown", field)} if leaf.named["field"].startswith("projected_") else set()
    )
    return found._replace(left_out=found.left_out | extra)


def _field(leaf: Leaf, field: str) -> Decimal | None:
    """Another field of what the leaf is a field of."""
    trace = leaf.trace.model_copy(update={"parameters": {**leaf.named, "field": field}})
    return LEAVES[trace.computation](trace, leaf.sources)


_BY_COMPUTATION: Mapping[str, Callable[[Leaf], Spread]] = {
    "scope_kpi": _kpi,
    QUARTER: _kpi,
    "seu_assessment": _use,
    "savings_value": _use,
    "project_number": _project,
    "footprint_number": _inventory,
    "running_figure": _running,
    "bill_number": bill_spread,
}


# A finding by code for what is in no band; {0}: whose it is.
LEFT_OUT: Mapping[str, str] = {
    "meter_class_unknown": "The accuracy class of meter {0} is not stated: its error is not included.",
    "transformer_unknown": "The class of the transformers of meter {0} is not stated: their error is not included.",
    "calorific_value_unknown": "The uncertainty of the calorific value of meter {0} is not stated: it is taken as "
    "exact.",
    "factor_uncertainty_unknown": "No uncertainty of factor {0} is stated: none is included.",
    "model_error_unknown": "The baseline of {0} states no error of its own: none is included.",
    "denominator_exact": "The denominator is taken as exact.",
    "projection_error_unknown": "The uncertainty of the projection is not known: it is not included.",
    "billed_as_claimed": "A billed amount is what the supplier claims: it is taken as billed.",
    "not_propagated": "No uncertainty is propagated to this number.",
}


def band_findings(band: Band, *, names: bool = True) -> tuple[Finding, ...]:
    """Findings of what is in no band. names: whether meters, factors and uses may be named to who asks."""
    found = [
        Finding(code=each.code, message=_exclusion(each, names=names), severity="info", scope=each.of if names else "")
        for each in band.left_out
    ]
    return tuple(each for at, each in enumerate(found) if each not in found[:at])


def _exclusion(left: BandExclusion, *, names: bool) -> Sentence:
    pattern = LEFT_OUT[left.code]
    return Sentence(pattern, left.of if names else "–") if "{0}" in pattern else Sentence(pattern)


def band_data(band: Band, *, names: bool = True) -> dict[str, Any]:
    """A band as JSON: low, high, plus_minus, coverage, and what is in it and what is not. names: of meters and factors;
    without, only how many of each are not in it.
    """
    kinds: dict[str, float] = {}
    for source, share in band.shares.items():
        kind = source.partition(":")[0]
        kinds[kind] = kinds.get(kind, 0.0) + share
    return {
        "low": band.low,
        "high": band.high,
        "plus_minus": band.half,
        "coverage": None if band.half is None else band.coverage,
        "shares": kinds,
        "not_included": [
            {"code": each.code, "of": each.scope, "message": str(each.message)}
            for each in band_findings(band, names=names)
        ],
    }
