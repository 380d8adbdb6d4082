"""Virtual meters: readings computed from those of other meters, exactly, and only where every input is there.

A gap of one input is a gap of the virtual meter: what is missing is never zero (formulas 5.1). Values are whole
billionths of the unit, so a sum in SQL and one in Python agree to the last digit.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fractions import Fraction
from math import lcm

import polars as pl

from assets.stores.lake.lake import KEY
from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.formula import Term, parse_formula
from data_quality.contracts.site_file.hierarchy import register_of
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period
from data_quality.contracts.units import QUANTUM_DECIMALS, unit_of

BATCH_ID = "virtual"
_NANO = 10**QUANTUM_DECIMALS
# From better to worse; any other code of an input makes a plain DERIVED row.
CARRIED_CODES = (
    QualityCode.MANUALLY_EDITED,
    QualityCode.ESTIMATED_REFERENCE_DAY,
    QualityCode.ESTIMATED_INTERPOLATED,
    QualityCode.WEATHER_NORMALISED,
    QualityCode.PROJECTED,
    QualityCode.QUESTIONABLE,
)


def virtual_meters(site: Site) -> tuple[str, ...]:
    """Ids of the site's virtual meters, in file order."""
    return tuple(meter.meter_id for meter in site.meters if meter.is_virtual)


def inputs_of(site: Site, meter_id: str) -> tuple[Term, ...]:
    """The metered streams behind a virtual meter and their exact weights, virtual inputs resolved into theirs.

    Empty for a meter that is read. Weights that cancel out are gone: `main - (main - lights)` is `lights`.
    """
    by_id = {meter.meter_id: meter for meter in site.meters}
    return tuple(term for term in _resolved(by_id[meter_id], by_id) if term.coefficient != 0)


def _resolved(meter: Meter, by_id: dict[str, Meter]) -> list[Term]:
    weights: dict[tuple[str, str], Fraction] = {}
    # The site file is free of loops (contracts/hierarchy.py), so this ends.
    waiting = [(term, Fraction(1)) for term in parse_formula(meter.formula)] if meter.formula is not None else []
    while waiting:
        term, scale = waiting.pop(0)
        given, weight = by_id[term.meter_id], term.coefficient * scale
        if given.formula is not None:
            waiting += [(inner, weight) for inner in parse_formula(given.formula)]
            continue
        key = (term.meter_id, register_of(given, term.register_id).register_id)
        weights[key] = weights.get(key, Fraction(0)) + weight
    return [Term(name, register_id, weight) for (name, register_id), weight in weights.items()]


def streams_for(site: Site, meter_ids: Iterable[str]) -> tuple[str, ...]:
    """The given ids with the metered inputs of each virtual meter after it: what must be read to know them."""
    virtual = set(virtual_meters(site))
    found: list[str] = []
    for name in meter_ids:
        found.append(name)
        if name in virtual:
            found += [term.meter_id for term in inputs_of(site, name)]
    return tuple(dict.fromkeys(found))


def derive(site: Site, readings: pl.DataFrame, meters: Sequence[str] | None = None) -> pl.DataFrame:
    """Rows of the virtual meters (of `meters`, or all), LAKE_SCHEMA, by key: one where every input has one.

    readings: LAKE_SCHEMA, unique by key (the view at T); others than inputs are ignored. quality_code: DERIVED, or
    the worst of the inputs' where one is edited, estimated or questionable; recorded_at_utc: the latest of the inputs.
    """
    wanted = [name for name in virtual_meters(site) if meters is None or name in set(meters)]
    terms, scales = _term_table(site, wanted)
    if terms.is_empty():
        return pl.DataFrame(schema=LAKE_SCHEMA)
    # Codes as places from better to worse, so that the largest of the inputs is the worst.
    rank = pl.col("quality_code").replace_strict(
        [int(code) for code in CARRIED_CODES], list(range(1, len(CARRIED_CODES) + 1)), default=0
    )
    slots = (
        readings.filter(pl.col("site_id") == site.site_id)
        .join(terms, on=["meter_id", "register", "unit"], how="inner")
        .with_columns(
            # 128 bits: billionths times the numerator of a formula may need more than 64.
            _part=(pl.col("value") * float(_NANO)).round().cast(pl.Int128) * pl.col("_numerator").cast(pl.Int128),
            _rank=rank,
        )
        .group_by("_virtual", "interval_start_utc", "interval_minutes")
        .agg(
            pl.col("_part").sum(),
            pl.col("_rank").max(),
            pl.col("source_minutes").max(),
            pl.col("is_synthetic").any(),
            pl.col("recorded_at_utc").max(),
            _present=pl.len(),
        )
    )
    codes = [int(QualityCode.DERIVED), *(int(code) for code in CARRIED_CODES)]
    rows = (
        slots.join(scales, on="_virtual", how="inner", validate="m:1")
        # Without one input a sum would be too small and look like a reading.
        .filter(pl.col("_present") == pl.col("_terms"))
        .with_columns(
            site_id=pl.lit(site.site_id),
            meter_id=pl.col("_virtual"),
            value=_rounded(pl.col("_part"), pl.col("_scale").cast(pl.Int128)).cast(pl.Float64),
            quality_code=pl.col("_rank").replace_strict(list(range(len(codes))), codes),
            source_line=pl.lit(0),
            batch_id=pl.lit(BATCH_ID),
        )
    )
    # A frame divides by a constant through its reciprocal, which is off by one in the last place; an array does not.
    value = pl.Series("value", rows["value"].to_numpy() / float(_NANO), pl.Float64)
    made = rows.with_columns(value)
    return made.select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items()).sort(KEY)


def with_virtual(site: Site, readings: pl.DataFrame, meters: Sequence[str] | None = None) -> pl.DataFrame:
    """The readings plus the rows of the site's virtual meters, by key; a reading under a virtual id is put aside."""
    virtual = virtual_meters(site)
    if not virtual:
        return readings
    # A file may hold somebody's own sums under a virtual id: one meter would have two values.
    read = readings.filter(~pl.col("meter_id").is_in(list(virtual)))
    return pl.concat([read, derive(site, read, meters)]).sort(KEY)


def virtual_findings(site: Site, readings: pl.DataFrame, period: Period) -> tuple[Finding, ...]:
    """Findings on the site's virtual meters over the period: gaps that they carry, values below zero.

    readings: as `derive` takes them. A gap names the input that misses most; nothing is filled.
    """
    start_utc, end_utc = period.start_utc, period.end_utc
    inside = readings.filter(pl.col("interval_start_utc").is_between(start_utc, end_utc, closed="left"))
    slots = int((end_utc - start_utc) / timedelta(minutes=CANONICAL_MINUTES))
    derived = derive(site, inside)
    found: list[Finding] = []
    for name in virtual_meters(site):
        rows = derived.filter(pl.col("meter_id") == name)
        if rows.height < slots:
            found.append(_gap(site, name, inside, slots=slots, present=rows.height))
        below = rows.filter(pl.col("value") < 0)
        if not below.is_empty():
            found.append(_below_zero(name, below))
    return tuple(found)


def _gap(site: Site, name: str, readings: pl.DataFrame, *, slots: int, present: int) -> Finding:
    missing = {
        f"{term.meter_id}.{term.register_id}": slots
        - readings.filter((pl.col("meter_id") == term.meter_id) & (pl.col("register") == term.register_id)).height
        for term in inputs_of(site, name)
    }
    worst = max(missing, key=lambda stream: missing[stream], default="")
    return Finding(
        code="virtual_gap",
        message=f"virtual meter {name!r} lacks {slots - present} of {slots} quarter hours; {worst} misses "
        f"{missing.get(worst, 0)} of them: a gap of an input is a gap, not zero",
        scope=f"meter:{name}",
        facts={"missing_quarter_hours": slots - present, "quarter_hours": slots, "worst_input": worst},
    )


def _below_zero(name: str, below: pl.DataFrame) -> Finding:
    unit = below["unit"][0]
    total = float(below["value"].sum())
    return Finding(
        code="virtual_below_zero",
        message=f"virtual meter {name!r} is below zero in {below.height} quarter hours, {total:.3f} {unit} in all: "
        "its inputs disagree",
        scope=f"meter:{name}",
        facts={"quarter_hours": below.height, "sum": total, "unit": unit},
    )


def _term_table(site: Site, wanted: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row per virtual meter and input with its whole numerator; and per virtual meter inputs and denominator."""
    rows, scales = [], []
    by_id = {meter.meter_id: meter for meter in site.meters}
    for name in wanted:
        terms = inputs_of(site, name)
        # One denominator for all terms: sums stay whole numbers, and only the last step rounds.
        scale = lcm(*(term.coefficient.denominator for term in terms)) if terms else 1
        unit = unit_of(by_id[name].registers[0].unit).canonical
        register_id = by_id[name].registers[0].register_id
        scales.append((name, register_id, unit, str(scale), len(terms)))
        rows += [(name, term.meter_id, term.register_id, unit, str(int(term.coefficient * scale))) for term in terms]
    text = pl.String
    return (
        pl.DataFrame(
            rows,
            schema={"_virtual": text, "meter_id": text, "register": text, "unit": text, "_numerator": text},
            orient="row",
        ).with_columns(pl.col("_numerator").cast(pl.Int128)),
        pl.DataFrame(
            scales,
            schema={"_virtual": text, "register": text, "unit": text, "_scale": text, "_terms": pl.UInt32},
            orient="row",
        ).with_columns(pl.col("_scale").cast(pl.Int128)),
    )


def _rounded(part: pl.Expr, scale: pl.Expr) -> pl.Expr:
    """Whole-number division, a half to the even neighbour, as `round` does it."""
    quotient = part // scale
    twice = (part - quotient * scale) * 2
    is_up = (twice > scale) | ((twice == scale) & (quotient % 2 != 0))
    return quotient + is_up.cast(pl.Int128)
