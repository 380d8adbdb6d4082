"""A small plant with three months of seeded readings and baselines of known coefficients: all that a report needs."""

import hashlib
import random
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import polars as pl

from assets.stores.lake.lake import KEY, BatchInfo, BatchResult, Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.ledgers.baselines import BaselineStore
from data_quality.contracts.baselines.baseline import (
    Baseline,
    BaselineType,
    BaselineVersion,
    Coefficient,
    FitStatistics,
)
from data_quality.contracts.billing.tariff import Tariff, TouPeriod
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.site import Driver, EmissionFactorEntry, Seu, SeuDriver, Site
from data_quality.contracts.time import FixedClock, Period, local_midnight_utc, parse_period
from data_quality.contracts.units import quantise

ZONE = "Europe/Berlin"
ANNA = Person(person_id="anna", name="Anna", roles=(Role.APPROVER,))
# SEU -> (meters, intercept kWh/day, kWh per piece, kWh per degC, share of the expectation that is really used)
USES = {
    "compressors": (("compressor_1", "compressor_2"), 480.0, 0.05, 0.0, 0.969),
    "hvac": (("hvac",), 300.0, 0.0, 6.0, 1.041),
    "moulding": (("moulding",), 150.0, 0.11, 0.0, 0.955),
}


def plant_site(locale: str = "en", **changes: object) -> Site:
    """Main meter over four submeters, three uses, production and outdoor temperature, one tariff, one factor."""
    meters = [Meter(meter_id="main", name="Main")]
    meters += [Meter(meter_id=meter, parent="main") for meters_of, *_ in USES.values() for meter in meters_of]
    meters.append(Meter(meter_id="water", carrier=Carrier.WATER, registers=(Register(unit="m3"),)))
    names = {"compressors": "Compressed air", "hvac": "Heating and cooling", "moulding": "Injection moulding"}
    fields: dict[str, object] = {
        "site_id": "plant",
        "name": "Musterwerk Süd",
        "time_zone": ZONE,
        "currency": "EUR",
        "country": "DE",
        "locale": locale,
        "floor_area_m2": 4200.0,
        "floor_area_definition": "GIA",
        "meters": tuple(meters),
        "drivers": (
            Driver(driver_id="pieces", unit="count", aggregation="sum"),
            Driver(driver_id="outdoor_degc", unit="degc", aggregation="mean"),
        ),
        "seus": tuple(
            Seu(
                seu_id=seu_id,
                name=names[seu_id],
                meters=USES[seu_id][0],
                drivers=(
                    SeuDriver(
                        driver_id="outdoor_degc" if seu_id == "hvac" else "pieces", justification="drives the load"
                    ),
                ),
            )
            for seu_id in USES
        ),
        "tariffs": (
            Tariff(
                tariff_id="tou",
                valid_from=date(2024, 1, 1),
                valid_to=date(2026, 1, 1),
                periods=(
                    TouPeriod(
                        period_id="peak", price_per_kwh=0.26, day_types=("weekday",), start=time(8), end=time(20)
                    ),
                    TouPeriod(
                        period_id="night", price_per_kwh=0.19, day_types=("weekday",), start=time(20), end=time(8)
                    ),
                    TouPeriod(period_id="rest", price_per_kwh=0.19, day_types=("weekend", "holiday")),
                ),
            ),
        ),
        "factors": (
            EmissionFactorEntry(
                factor_id="de2025",
                kgco2e_per_kwh=0.363,
                valid_from=date(2024, 1, 1),
                valid_to=date(2026, 1, 1),
                source="test",
            ),
        ),
    }
    return Site(**{**fields, **changes})


def quarter() -> Period:
    """First quarter of 2025: its last Sunday has 23 hours."""
    return parse_period("2025-Q1", ZONE)


@cache
def plant_rows(
    start: date, end: date, *, seed: int = 7, is_synthetic: bool = False, skip: tuple[tuple[str, date], ...] = ()
) -> pl.DataFrame:
    """Quarter hours of every stream over local days [start, end): what `write_batch` takes. skip: (stream, day)."""
    rng = random.Random(seed)
    rows: list[tuple[object, ...]] = []
    day, line = start, 1
    while day < end:
        first, after = local_midnight_utc(day, ZONE), local_midnight_utc(day + timedelta(days=1), ZONE)
        slots = int((after - first) / timedelta(minutes=15))
        pieces = 300 if day.weekday() >= 5 else rng.randint(3600, 4400)
        degc = round(rng.uniform(-4, 9), 1)
        parts: dict[str, list[float]] = {"pieces": spread(pieces, slots), "outdoor_degc": [degc] * slots}
        for meters, intercept, per_piece, per_degc, share in USES.values():
            energy = (intercept + per_piece * pieces + per_degc * degc) * share * rng.uniform(0.985, 1.015)
            for meter in meters:
                parts[meter] = [quantise(energy / len(meters) / slots * rng.uniform(0.6, 1.4)) for _ in range(slots)]
        used = [parts[meter] for meters, *_ in USES.values() for meter in meters]
        parts["main"] = [quantise(sum(values) * 1.08) for values in zip(*used, strict=True)]
        for stream, values in parts.items():
            if (stream, day) in skip:
                continue
            for slot, value in enumerate(values):
                line += 1
                is_driver = stream in {"pieces", "outdoor_degc"}
                unit = {"pieces": "count", "outdoor_degc": "degc"}.get(stream, "kwh")
                at = first + timedelta(minutes=15 * slot)
                register = "value" if is_driver else "import"
                rows.append(("plant", stream, register, at, 15, 15, float(value), unit, 0, line, is_synthetic, False))
        day += timedelta(days=1)
    names = [name for name in LAKE_SCHEMA if name not in {"batch_id", "recorded_at_utc"}]
    schema = {name: LAKE_SCHEMA[name] for name in names} | {"is_correction": pl.Boolean()}
    return pl.DataFrame(rows, schema=schema, orient="row").sort(KEY)


def spread(total: int, slots: int) -> list[float]:
    """A whole number over slots, as whole numbers."""
    base, rest = divmod(total, slots)
    return [float(base + (1 if index < rest else 0)) for index in range(slots)]


def write(lake: Lake, rows: pl.DataFrame, clock: FixedClock, name: str = "plant.csv", rejected: int = 0) -> BatchResult:
    """One batch into the lake."""
    info = BatchInfo(
        site_id=str(rows["site_id"][0]),
        source_name=name,
        source_sha256=hashlib.sha256(name.encode()).hexdigest(),
        reader="csv",
        reader_version="1",
        accepted_rows=rows.height,
        rejected_rows=rejected,
        is_synthetic=bool(rows["is_synthetic"].any()),
    )
    return lake.write_batch(info, rows, unchanged_rows=0, clock=clock)


def plant_baseline(seu_id: str, findings: tuple[Finding, ...] = ()) -> Baseline:
    """The use's true coefficients as a baseline."""
    _, intercept, per_piece, per_degc, _ = USES[seu_id]
    name, slope = ("outdoor_degc", per_degc) if seu_id == "hvac" else ("pieces", per_piece)
    low, high = (-15.0, 35.0) if seu_id == "hvac" else (0.0, 5000.0)
    return Baseline(
        seu_id=seu_id,
        site_id="plant",
        baseline_type=BaselineType.ENB,
        model="ols_daily",
        feature_order=(name,),
        coefficients=(_term("intercept", intercept), _term(name, slope)),
        driver_ranges={name: (low, high)},
        train_start=date(2024, 1, 1),
        train_end=date(2025, 1, 1),
        confidence=0.95,
        statistics=FitStatistics(
            n=366,
            p=2,
            r2=0.941,
            r2_adj=0.9408,
            rmse_n=9.87,
            rmse_dof=9.9,
            cvrmse_n=0.0191,
            cvrmse_g14=0.0192,
            cvrmse_caltrack=0.01915,
            nmbe_in_sample=0.0,
            nmbe_out_of_sample=-0.0008,
            cvrmse_out_of_sample=0.0201,
            pnrmse=0.12,
            f_p_value=0.0,
            rho1=0.08,
            durbin_watson=1.84,
        ),
        findings=findings,
        dataset_digest=hashlib.sha256(seu_id.encode()).hexdigest(),
        is_synthetic=False,
    )


def _term(name: str, value: float) -> Coefficient:
    half = abs(value) * 0.02
    return Coefficient(
        name=name,
        value=value,
        standard_error=half / 1.97,
        ci_low=value - half,
        ci_high=value + half,
        p_value=0.00001,
    )


def register_baselines(
    store: BaselineStore, clock: FixedClock, *, approved: tuple[str, ...] = tuple(USES)
) -> dict[str, BaselineVersion]:
    """Every use's baseline, fitted by ben and approved by anna where named."""
    found = {}
    for seu_id in USES:
        baseline = plant_baseline(seu_id)
        checksum = hashlib.sha256(baseline.model_dump_json().encode()).hexdigest()
        version = store.add(baseline, "run-1", checksum, "ben", clock)
        if seu_id in approved:
            version = store.approve(version.baseline_id, version.version, ANNA, "full year, stable", {}, clock)
        found[seu_id] = version
    return found


NOON = datetime(2025, 4, 2, 12, tzinfo=UTC)
