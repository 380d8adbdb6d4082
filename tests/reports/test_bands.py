"""Bands of a site's own figures, end to end: readings and drawn errors of meters, factor and model confirm them."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from assets.kpi.from_readings import KpiQuery
from assets.kpi.propagation import MODEL
from data_quality.contracts.reporting.figure import Band, Figure
from data_quality.contracts.site_file.accuracy import limit_of
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.meter_event import EventKind, MeterEvent
from data_quality.contracts.site_file.site import EmissionFactorEntry, Site
from reports.figure_book import FigureBook
from reports.lifecycle.revise import content_sha256
from reports.recompute.bands import band_data, figure_band
from reports.recompute.figure_sources import Sources
from reports.recompute.recomputed_kpis import KpiBasis, kpi_row
from reports.render.render_json import figure_rows
from reports.render.render_pdf import render_pdf
from reports.render.render_xlsx import render_xlsx
from tests.reports import plant
from tests.reports.conftest import MakeWorld, World
from tests.reports.quarter import enpi_quarter

DRAWS = 20_000
CLASSES = {"main": "C", "compressor_1": "B", "compressor_2": "0.5S", "hvac": "A"}
QUARTER = (date(2025, 1, 1), date(2025, 4, 1))
FACTOR_PERCENT = 5.0
LEAST, MOST = 0.87, 0.93


def classed(classes: Mapping[str, str] = CLASSES, percent: float | None = FACTOR_PERCENT, **changes: object) -> Site:
    """The plant with classes of its meters and what its factor may be off."""
    site = plant.plant_site()
    meters = tuple(each.model_copy(update={"accuracy_class": classes.get(each.meter_id, "")}) for each in site.meters)
    stated = {} if percent is None else {"uncertainty_percent": percent, "uncertainty_source": "test"}
    factors = tuple(each.model_copy(update=stated) for each in site.factors)
    return plant.plant_site("en", **{"meters": meters, "factors": factors, **changes})


def kpi(sources: Sources, used: World, name: str, scope: str, days: tuple[date, date] = QUARTER) -> Figure:
    """A KPI as the marts have it, with its trace."""
    site = sources.site("plant")
    row = kpi_row(sources, KpiBasis("plant", used.as_of_utc), KpiQuery(name, scope, *days))
    book = FigureBook(report_id="test", revision=1, as_of_utc=used.as_of_utc, is_synthetic=False)
    start, end = days
    named = {"site": "plant", "scope": scope, "kpi": name, "start": str(start), "end": str(end)}
    return book.add(
        name, None if row is None else row.value, label=name, kpi=name, scope=scope, start=start, end=end, unit="kwh",
        computation="scope_kpi", parameters=named, inputs=[sources.lake_input(site, start, end, used.as_of_utc)],
    )  # fmt: skip


def band(sources: Sources, figure: Figure) -> Band:
    return figure_band(figure, sources=sources, lookup=lambda _: None)


def energies(used: World) -> dict[str, float]:
    """kWh of each meter over the quarter, straight from the lake."""
    rows = used.lake.current("plant").filter(pl.col("unit") == "kwh")
    totals = rows.group_by("meter_id").agg(pl.col("value").sum())
    return dict(totals.iter_rows())


def errors(site: Site, seed: int = 5) -> dict[str, np.ndarray]:
    """1 + relative error of each meter that has a class, and of the factor."""
    rng = np.random.default_rng(seed)
    found = {"factor": 1 + rng.normal(0, FACTOR_PERCENT / 100 / 1.959964, DRAWS)}
    for name, accuracy_class in CLASSES.items():
        limit = limit_of("electricity", accuracy_class).percent / 100
        found[name] = 1 + rng.uniform(-limit, limit, DRAWS)
    return found


def confirm(found: Band, value: float, draws: np.ndarray) -> None:
    """The band's rate over drawn numbers."""
    assert found.half is not None
    rate = float(np.mean(np.abs(draws - value) <= found.half))
    assert LEAST <= rate <= MOST, (rate, found)


def test_energy_cost_carbon_and_intensity_have_bands_that_drawn_errors_confirm(world: MakeWorld) -> None:
    used = world(site=classed())
    sources, kwh, off = used.sources(used.site), energies(used), errors(used.site)
    main, both = kwh["main"], kwh["compressor_1"] * off["compressor_1"] + kwh["compressor_2"] * off["compressor_2"]
    drawn = {
        ("consumption_kwh", "site:plant"): main * off["main"],
        ("consumption_kwh", "seu:compressors"): both,
        ("cost", "site:plant"): off["main"],
        ("emission_kgco2e", "site:plant"): main * 0.363 * off["main"] * off["factor"],
        ("emission_kgco2e_per_m2", "site:plant"): main * 0.363 * off["main"] * off["factor"] / 4200,
        ("emission_kgco2e", "seu:compressors"): both * 0.363 * off["factor"],
    }
    for (name, scope), draws in drawn.items():
        figure = kpi(sources, used, name, scope)
        assert figure.value is not None, name
        value = float(figure.value)
        found = band(sources, figure)
        # A cost is made of priced quarter hours, which the meter's error scales alike.
        confirm(found, value, draws * value if name == "cost" else draws)
        codes = {each.code for each in found.left_out}
        assert codes == ({"denominator_exact"} if name.endswith("_per_m2") else set()), (name, codes)


def test_a_saving_keeps_the_band_of_its_model_and_gains_that_of_its_meter(world: MakeWorld) -> None:
    used = world(site=classed())
    content = enpi_quarter(used.inputs_with(used.site))
    by_path = {each.path: each for each in content.figures}
    by_id = {each.figure_id: each for each in content.figures}
    sources, rng = used.sources(used.site), np.random.default_rng(9)
    limit = limit_of("electricity", "A").percent / 100
    saved, expected, actual, half = (
        float(by_path[f"seu/hvac/{name}"].value or 0)
        for name in ("savings_kwh", "expected_kwh", "actual_kwh", "uncertainty_kwh")
    )
    model = rng.normal(0, half / 1.644854, DRAWS)
    meter = 1 + rng.uniform(-limit, limit, DRAWS)
    for name, draws in {
        # A baseline was fitted to the same meter: it expects by the meter's own measure.
        "savings_kwh": (expected + model) * meter - actual * meter,
        "expected_kwh": (expected + model) * meter,
        "deviation_percent": 100 * (actual * meter / ((expected + model) * meter) - 1),
        "enpi": actual / (expected + model),
    }.items():
        figure = by_path[f"seu/hvac/{name}"]
        found = figure_band(figure, sources=sources, lookup=by_id.get)
        confirm(found, float(figure.value or 0), draws)
    found = figure_band(by_path["seu/hvac/savings_kwh"], sources=sources, lookup=by_id.get)
    assert found.half is not None
    of_meter = abs(saved) * limit / math.sqrt(3) * 1.644854
    assert found.half == pytest.approx(math.hypot(half, of_meter), rel=1e-6)
    # Without a class it is the model's band to the last digit, once and not twice.
    bare = figure_band(by_path["seu/moulding/savings_kwh"], sources=sources, lookup=by_id.get)
    assert bare.half == pytest.approx(float(by_path["seu/moulding/uncertainty_kwh"].value or 0), rel=1e-12)
    assert [each.split("/")[0] for each in bare.shares] == [f"{MODEL}plant"]
    assert {each.code for each in bare.left_out} == {"meter_class_unknown"}


def test_a_meter_that_was_exchanged_since_the_baseline_is_another_meter(world: MakeWorld) -> None:
    swap = MeterEvent(
        kind=EventKind.EXCHANGE, at=datetime(2024, 12, 30, 12, tzinfo=UTC), final_read=Decimal(1),
        initial_read=Decimal(0), person="Anna", reason="worn",
    )  # fmt: skip
    same, other = classed({"hvac": "A"}), classed({"hvac": "A"})
    meters = tuple(
        each.model_copy(update={"events": (swap,)}) if each.meter_id == "hvac" else each for each in other.meters
    )
    other = other.model_copy(update={"meters": meters})
    halves = []
    for site in (same, other):
        used = world(site=site)
        content = enpi_quarter(used.inputs_with(site))
        by_id = {each.figure_id: each for each in content.figures}
        figure = next(each for each in content.figures if each.path == "seu/hvac/savings_kwh")
        halves.append(figure_band(figure, sources=used.sources(site), lookup=by_id.get).half or 0.0)
    # Two instruments are off apart from one another: their errors do not cancel.
    assert halves[1] > 1.5 * halves[0], halves


def test_what_nobody_states_is_told_by_code_and_no_default_is_made_up(world: MakeWorld) -> None:
    used = world(site=classed({}, None))
    sources = used.sources(used.site)
    carbon = band(sources, kpi(sources, used, "emission_kgco2e", "site:plant"))
    assert (carbon.low, carbon.high, carbon.half) == (None, None, None)
    told = band_data(carbon)
    assert (told["low"], told["high"], told["coverage"]) == (None, None, None)
    assert [(each["code"], each["of"]) for each in told["not_included"]] == [
        ("factor_uncertainty_unknown", "de2025"), ("meter_class_unknown", "main"),
    ]  # fmt: skip
    assert "de2025" in told["not_included"][0]["message"]
    # Who may not see the meters hears that there are some, not which.
    assert {each["of"] for each in band_data(carbon, names=False)["not_included"]} == {""}
    one = classed({"main": "C"}, None)
    sources = used.sources(one)
    part = band(sources, kpi(sources, used, "emission_kgco2e", "site:plant"))
    assert part.half is not None
    assert {each.code for each in part.left_out} == {"factor_uncertainty_unknown"}
    assert {each.code for each in band(sources, kpi(sources, used, "load_factor", "site:plant")).left_out} == {
        "not_propagated"
    }


def test_two_factors_of_a_span_are_off_apart_from_one_another(world: MakeWorld) -> None:
    halves = [(date(2024, 1, 1), date(2025, 2, 15)), (date(2025, 2, 15), date(2026, 1, 1))]
    factors = tuple(
        EmissionFactorEntry(
            factor_id=f"de-{at}", kgco2e_per_kwh=0.363, valid_from=start, valid_to=end, source="test",
            uncertainty_percent=FACTOR_PERCENT, uncertainty_source="test",
        )
        for at, (start, end) in enumerate(halves)
    )  # fmt: skip
    used = world(site=classed({}, factors=factors))
    sources = used.sources(used.site)
    two = band(sources, kpi(sources, used, "emission_kgco2e", "site:plant"))
    assert len(two.shares) == 2
    whole = used.sources(classed({}))
    one = band(whole, kpi(whole, used, "emission_kgco2e", "site:plant"))
    assert one.half is not None
    assert two.half is not None
    assert 0.68 < two.half / one.half < 0.78  # near 1/√2: the quarter falls into nearly equal parts


@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_a_report_says_how_sure_its_headline_figures_are_and_the_next_revision_says_the_same(
    world: MakeWorld, locale: str
) -> None:
    used = world(site=classed({"main": "C"}, None).model_copy(update={"locale": locale}))
    given = used.inputs_with(used.site)
    first, second = (enpi_quarter(given, revision=number) for number in (1, 2))
    assert content_sha256(first) == content_sha256(second)
    assert first.bands
    tiles = {each.figure_id for part in first.sections for block in part.blocks for each in getattr(block, "tiles", ())}
    assert {each.figure_id for each in first.bands} <= tiles
    by_id = {each.figure_id: each for each in first.figures}
    for each in first.bands:
        assert each.low < float(by_id[each.figure_id].value or 0) < each.high
    table = next(each for each in first.tables() if each.key == "uncertainty")
    assert len(table.rows) == len(first.bands)
    left_out = {code for each in first.bands for code in each.not_included}
    assert "factor_uncertainty_unknown" in left_out
    assert left_out <= {each.code for each in first.findings}
    told = [each for each in figure_rows(first) if "band" in each]
    assert len(told) == len(first.bands)
    assert {"low", "high", "coverage", "not_included"} == set(told[0]["band"])
    assert b"%PDF" in render_pdf(first)[:10]
    assert render_xlsx(first)[:2] == b"PK"
    bare = enpi_quarter(used.inputs_with(plant.plant_site(locale)), revision=1)
    # Nobody states anything: the report is what it was before.
    assert (bare.bands, [each for each in bare.tables() if each.key == "uncertainty"]) == ((), [])
    assert "bands" not in bare.model_dump(mode="json")


@pytest.mark.parametrize(
    ("carrier", "accuracy_class", "said"),
    [
        (Carrier.ELECTRICITY, "D", "expected one of A, B, C"),
        (Carrier.NATURAL_GAS, "B", "expected one of 1.0, 1.5 for natural_gas, got 'B'"),
        (Carrier.STEAM, "1", "no classes of steam meters are known"),
    ],
)
def test_a_class_that_no_standard_has_is_refused_by_name(carrier: Carrier, accuracy_class: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Meter(meter_id="m", carrier=carrier, accuracy_class=accuracy_class)


def test_a_computed_meter_has_no_class_of_its_own_and_a_number_needs_its_source() -> None:
    with pytest.raises(ValueError, match="give those of its inputs"):
        Meter(meter_id="rest", formula="main - hvac", accuracy_class="B")
    with pytest.raises(ValueError, match="belong together"):
        EmissionFactorEntry(
            factor_id="f", kgco2e_per_kwh=0.3, valid_from=date(2025, 1, 1), valid_to=date(2026, 1, 1), source="s",
            uncertainty_percent=5.0,
        )  # fmt: skip
