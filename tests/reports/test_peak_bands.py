"""Bands of peaks that several meters make, held against drawn errors of each meter in every quarter hour."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from assets.kpi.running_cost.month_to_date import source_span
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.accuracy import limit_of
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc
from reports.figure_book import FigureBook
from reports.recompute.computations import LEAVES, RUNNING
from tests.reports import plant
from tests.reports.conftest import MakeWorld, World
from tests.reports.test_bands import CLASSES, QUARTER, band, classed, confirm, kpi

DRAWS = 4_000
FEBRUARY = (date(2025, 2, 1), date(2025, 3, 1))
MAINS = {"compressor_1": "B", "compressor_2": "0.5S", "hvac": "A", "moulding": "1"}
# Quarter hour of the day (UTC) around which a meter draws most, and how many times its usual.
SHAPE = {"compressor_1": (30, 3.0), "compressor_2": (50, 2.0), "hvac": (44, 2.5), "moulding": (48, 1.5)}


def shaped() -> pl.DataFrame:
    """The plant's quarter hours, each meter with hours of its own in which it draws more."""
    rows = plant.plant_rows(*QUARTER)
    slot = pl.col("interval_start_utc").dt.hour() * 4 + pl.col("interval_start_utc").dt.minute() // 15
    by = pl.lit(1.0)
    for meter, (at, most) in SHAPE.items():
        rise = 1 + (most - 1) * (-(((slot - at) / 12.0) ** 2)).exp()
        by = pl.when(pl.col("meter_id") == meter).then(rise).otherwise(by)
    return rows.with_columns((pl.col("value") * by).round(9).alias("value"))


def without_main(classes: dict[str, str] = MAINS, **changes: object) -> Site:
    """A plant whose supply is read by four meters."""
    meters = tuple(Meter(meter_id=name, accuracy_class=classes.get(name, "")) for name in MAINS)
    return plant.plant_site("en", **{"meters": meters, **changes})


def matrix(used: World, days: tuple[date, date], names: list[str]) -> np.ndarray:
    """KWh [meter, quarter hour] of local days, straight from the lake."""
    since, until = (local_midnight_utc(day, plant.ZONE) for day in days)
    rows = used.lake.current("plant").filter(
        pl.col("interval_start_utc").is_between(since, until, closed="left") & pl.col("meter_id").is_in(names)
    )
    wide = rows.pivot("meter_id", index="interval_start_utc", values="value").sort("interval_start_utc")
    return wide.select(names).to_numpy().T


def peaks(kwh: np.ndarray, names: list[str], window: int = 1) -> np.ndarray:
    """Highest kW of windows of so many quarter hours, with each meter's error drawn anew."""
    rng = np.random.default_rng(11)
    blocks = kwh.reshape(len(names), -1, window).sum(axis=2) * 4 / window
    limits = [limit_of("electricity", MAINS[name]).percent / 100 for name in names]
    off = np.stack([rng.uniform(1 - limit, 1 + limit, DRAWS) for limit in limits])
    found: np.ndarray = (off.T @ blocks).max(axis=1)
    return found


def running(used: World, field: str, at_utc: datetime) -> Figure:
    """A running figure as the page keeps it."""
    sources = used.sources(used.site)
    start, end = source_span(used.site, at_utc)
    book = FigureBook(report_id="test", revision=1, as_of_utc=used.as_of_utc, is_synthetic=False)
    named = {"site": "plant", "at_utc": at_utc.isoformat(), "field": field, "start": str(start), "end": str(end)}
    draft = book.add(
        f"{field}/0", None, label=field, kpi=field, scope="site:plant", start=start, end=end, unit=RUNNING[field],
        computation="running_figure", parameters=named, inputs=[sources.definition_input()],
    )  # fmt: skip
    return draft.model_copy(update={"value": LEAVES["running_figure"](draft.trace, sources)})


@pytest.mark.parametrize("scope", ["site:plant", "seu:compressors"])
def test_a_peak_of_several_meters_has_a_band_that_drawn_errors_confirm(world: MakeWorld, scope: str) -> None:
    used = world(site=without_main(), rows=shaped())
    names = list(MAINS) if scope == "site:plant" else ["compressor_1", "compressor_2"]
    figure = kpi(used.sources(used.site), used, "peak_15min_kw", scope, FEBRUARY)
    kwh, value = matrix(used, FEBRUARY, names), float(figure.value or 0)
    assert value == pytest.approx(4 * kwh.sum(axis=0).max())
    found = band(used.sources(used.site), figure)
    confirm(found, value, peaks(kwh, names))
    # By what each made of that quarter hour: by the month's energy the parts would be others.
    at = int(kwh.sum(axis=0).argmax())
    parts = {
        f"meter:plant/{name}": (kwh[row, at] * limit_of("electricity", MAINS[name]).percent) ** 2
        for row, name in enumerate(names)
    }
    assert found.shares == pytest.approx({name: part / sum(parts.values()) for name, part in parts.items()})
    assert found.left_out == ()


def test_a_virtual_meter_peaks_by_its_inputs_then(world: MakeWorld) -> None:
    meters = (
        *(Meter(meter_id=name, accuracy_class=MAINS[name]) for name in MAINS),
        Meter(meter_id="rest", formula="hvac - moulding"),
    )
    used = world(site=plant.plant_site("en", meters=meters), rows=shaped())
    sources = used.sources(used.site)
    figure = kpi(sources, used, "peak_15min_kw", "meter:rest", FEBRUARY)
    kwh = matrix(used, FEBRUARY, ["hvac", "moulding"])
    at = int((kwh[0] - kwh[1]).argmax())
    found = band(sources, figure)
    signed = [4 * kwh[row, at] * limit / 100 / 3**0.5 for row, limit in enumerate((3.5, 1.0))]
    assert found.half == pytest.approx(1.644854 * np.hypot(*signed), rel=0.06)
    assert list(found.shares) == ["meter:plant/hvac", "meter:plant/moulding"]


def test_a_running_peak_goes_by_the_window_of_its_tariff(world: MakeWorld) -> None:
    tariff = plant.plant_site().tariffs[0].model_dump(mode="json") | {
        "demand": [
            {
                "charge_id": "demand", "window_minutes": 60,
                "periods": [{"period_id": "all", "price_per_kw": 9, "start": "00:00", "end": "00:00"}],
            }
        ]
    }  # fmt: skip
    used = world(site=without_main(tariffs=(Tariff.model_validate(tariff),)), rows=shaped())
    at_utc = datetime(2025, 2, 20, 11, 30, tzinfo=UTC)
    kwh, names = matrix(used, (date(2025, 2, 1), date(2025, 2, 20)), list(MAINS)), list(MAINS)
    peak = running(used, "peak_kw", at_utc)
    found = band(used.sources(used.site), peak)
    assert float(peak.value or 0) == pytest.approx(kwh.reshape(4, -1, 4).sum(axis=(0, 2)).max())
    confirm(found, float(peak.value or 0), peaks(kwh, names, window=4))
    block = running(used, "block_demand_kw", at_utc)
    now = band(used.sources(used.site), block)
    assert now.half is not None
    assert set(now.shares) == {f"meter:plant/{name}" for name in MAINS}
    # Part of it is yet to come: nobody knows whose.
    ahead = band(used.sources(used.site), running(used, "projected_peak_kw", at_utc))
    assert (ahead.half, [each.code for each in ahead.left_out]) == (None, ["not_propagated"])


def test_a_meter_without_a_class_is_told_and_the_others_are_in_the_band(world: MakeWorld) -> None:
    used = world(site=classed({"compressor_1": CLASSES["compressor_1"]}))
    sources = used.sources(used.site)
    found = band(sources, kpi(sources, used, "peak_15min_kw", "seu:compressors", FEBRUARY))
    assert [(each.code, each.of) for each in found.left_out] == [("meter_class_unknown", "compressor_2")]
    assert list(found.shares) == ["meter:plant/compressor_1"]
    none = classed({})
    bare = used.sources(none)
    known = band(bare, kpi(bare, used, "peak_15min_kw", "seu:compressors", FEBRUARY))
    assert (known.half, len(known.left_out)) == (None, 2)
