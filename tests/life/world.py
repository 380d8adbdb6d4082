"""Two seeded years of a works whose coefficients are known; 2025 differs from 2024 by stated factors."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from assets.kpi.enpi.daily import seu_days
from assets.stores.lake.lake import KEY, BatchInfo, Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.transactions import open_store
from data_quality.contracts.baselines.baseline import Baseline, BaselineVersion
from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.mv_project import MvProject, ProjectPlan, StaticFactor
from data_quality.contracts.site_file.site import Driver, Seu, SeuDriver, Site
from data_quality.contracts.time import FixedClock, local_midnight_utc
from ml.baselines.models.ols import fit_daily
from reports.assess import UseRequest
from reports.recompute.figure_sources import Sources, seu_of
from tests.definitions import DEFINITIONS

ZONE = "Europe/Berlin"
START, SPLIT, END = date(2024, 1, 1), date(2025, 1, 1), date(2026, 1, 1)
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ANNA = Person(person_id="anna", name="Anna", roles=(Role.APPROVER,))
BEN = Person(person_id="ben", name="Ben", roles=(Role.ANALYST,))
CARL = Person(person_id="carl", name="Carl", roles=(Role.ANALYST, Role.APPROVER))
# What the quarters of 2025 use against the truth of 2024.
LINE = (1.02, 1.04, 1.08, 1.01)
PACKING = (1.0, 1.08, 1.09, 1.0)
DRIVE = (0.9, 0.9, 0.9, 0.9)


def works_site(**changes: object) -> Site:
    """Two uses, one of them with two products, and one M&V project on a meter of its own."""
    fields: dict[str, object] = {
        "site_id": "works",
        "name": "Works",
        "time_zone": ZONE,
        "currency": "EUR",
        "country": "DE",
        "meters": (Meter(meter_id="m1"), Meter(meter_id="m2"), Meter(meter_id="m3")),
        "drivers": (
            Driver(driver_id="product_a", unit="count", aggregation="sum"),
            Driver(driver_id="product_b", unit="count", aggregation="sum"),
            Driver(driver_id="outdoor_degc", unit="degc", aggregation="mean"),
        ),
        "seus": (
            Seu(seu_id="line", name="Line", meters=("m1",), drivers=_drivers("product_a", "outdoor_degc")),
            Seu(
                seu_id="packing",
                name="Packing",
                meters=("m2",),
                drivers=_drivers("product_a", "product_b"),
                static_factors=(
                    StaticFactor(name="shifts", value="2", valid_from=date(2020, 1, 1)),
                    StaticFactor(name="shifts", value="3", valid_from=date(2025, 4, 1)),
                ),
            ),
        ),
        "projects": (
            MvProject(
                project_id="drive",
                name="Speed-controlled drive",
                boundary="The drive and its converter",
                option="B",
                meters=("m3",),
                drivers=("product_a",),
                installation_start=SPLIT,
                installation_end=SPLIT,
                reporting_end=END,
                plan=ProjectPlan(drivers_because="the drive follows the parts", responsible=("ben",)),
            ),
        ),
    }
    return Site(**{**fields, **changes})  # type: ignore[arg-type]


def _drivers(*names: str) -> tuple[SeuDriver, ...]:
    return tuple(SeuDriver(driver_id=name, justification="the use follows it") for name in names)


def works_rows(start: date = START, end: date = END) -> pl.DataFrame:
    """Quarter hours of every stream over local days [start, end): what `write_batch` takes."""
    days = [START + timedelta(days=index) for index in range((END - START).days)]
    rng = np.random.default_rng(11)
    n = len(days)
    is_rest = np.array([day.weekday() >= 5 for day in days])
    product_a = np.where(is_rest, 300.0, rng.integers(900, 1500, n)).astype(float)
    product_b = np.where(is_rest, 200.0, rng.integers(300, 1100, n)).astype(float)
    degc = np.round(10.0 - 10.0 * np.cos(2 * np.pi * np.arange(n) / 365.25) + rng.normal(0, 3, n), 1)
    noise = rng.normal(1.0, 0.01, (3, n))

    def factor(quarters: tuple[float, ...]) -> np.ndarray:
        return np.array([1.0 if day < SPLIT else quarters[(day.month - 1) // 3] for day in days])

    daily: Mapping[str, np.ndarray] = {
        "m1": (400.0 + 0.08 * product_a + 5.0 * np.maximum(16.0 - degc, 0.0)) * noise[0] * factor(LINE),
        "m2": (150.0 + 0.10 * product_a + 0.25 * product_b) * noise[1] * factor(PACKING),
        "m3": (200.0 + 0.05 * product_a) * noise[2] * factor(DRIVE),
        "product_a": product_a,
        "product_b": product_b,
    }
    grid = pl.DataFrame(
        {
            "interval_start_utc": pl.datetime_range(
                local_midnight_utc(start, ZONE),
                local_midnight_utc(end, ZONE),
                interval="15m",
                closed="left",
                time_unit="us",
                time_zone="UTC",
                eager=True,
            )
        }
    ).with_columns(local_date=pl.col("interval_start_utc").dt.convert_time_zone(ZONE).dt.date())
    grid = grid.with_columns(slots=pl.len().over("local_date"))
    frames = []
    for name in (*daily, "outdoor_degc"):
        values = pl.DataFrame({"local_date": days, "day": degc if name == "outdoor_degc" else daily[name]})
        value = pl.col("day") if name == "outdoor_degc" else (pl.col("day") / pl.col("slots")).round(9)
        unit = {"outdoor_degc": "degc"}.get(name, "count" if name.startswith("product") else "kwh")
        frames.append(
            grid.join(values, on="local_date", how="left", maintain_order="left").select(
                site_id=pl.lit("works"),
                meter_id=pl.lit(name),
                register=pl.lit("import" if unit == "kwh" else "value"),
                interval_start_utc="interval_start_utc",
                interval_minutes=15,
                source_minutes=15,
                value=value,
                unit=pl.lit(unit),
                quality_code=0,
                source_line=pl.int_range(1, pl.len() + 1),
                is_synthetic=False,
                is_correction=False,
            )
        )
    names = [name for name in LAKE_SCHEMA if name not in {"batch_id", "recorded_at_utc"}]
    schema = {name: LAKE_SCHEMA[name] for name in names} | {"is_correction": pl.Boolean()}
    rows = pl.concat(frames)
    return rows.select(pl.col(name).cast(kind) for name, kind in schema.items()).sort(KEY)


@dataclass
class Works:
    """A lake, a store with a fitted and approved baseline per use, and the clock."""

    site: Site
    lake: Lake
    store: BaselineStore
    clock: FixedClock
    versions: dict[str, BaselineVersion]

    def sources(self) -> Sources:
        """Fresh sources: nothing kept from before."""
        return Sources(lake=self.lake, sites={"works": self.site}, definitions=DEFINITIONS)

    def request(self, seu_id: str, *, site: Site | None = None, version: BaselineVersion | None = None) -> UseRequest:
        """A use against its version (another one where named), as known now."""
        found = site or self.site
        seu, compared = seu_of(found, seu_id), version or self.versions[seu_id]
        return UseRequest(found, seu, compared, self.sources(), self.clock.now_utc())

    def fit(self, seu_id: str, start: date = START, end: date = SPLIT) -> Baseline:
        """The daily fit of one use."""
        seu = next(each for each in self.site.seus if each.seu_id == seu_id)
        days = seu_days(self.readings(start, end), site=self.site, seu=seu, start=start, end=end)
        span = (local_midnight_utc(start, ZONE), local_midnight_utc(end, ZONE))
        made = fit_daily(
            days,
            site=self.site,
            seu=seu,
            start=start,
            end=end,
            today=NOW.date(),
            lake_digest=self.lake.digest("works", start_utc=span[0], end_utc=span[1]),
        )
        assert isinstance(made, Baseline)
        return made

    def readings(self, start: date, end: date) -> pl.DataFrame:
        """Rows of the lake over local days."""
        return self.lake.current(
            "works", start_utc=local_midnight_utc(start, ZONE), end_utc=local_midnight_utc(end, ZONE)
        )


def make_works(folder: Path) -> Works:
    """The lake filled, the uses fitted on 2024 by ben and approved by anna."""
    clock = FixedClock(NOW)
    lake = Lake(folder / "lake", open_store(f"sqlite:///{folder / 'store.db'}"))
    rows = works_rows()
    info = BatchInfo(
        site_id="works",
        source_name="works.csv",
        source_sha256="0" * 64,
        reader="csv",
        reader_version="1",
        accepted_rows=rows.height,
        rejected_rows=0,
        is_synthetic=False,
    )
    lake.write_batch(info, rows, unchanged_rows=0, clock=clock)
    works = Works(works_site(), lake, BaselineStore(lake.store), clock, {})
    for seu in works.site.seus:
        clock.advance(timedelta(minutes=1))
        made = works.fit(seu.seu_id)
        version = works.store.add(made, "run", made.dataset_digest, "ben", clock)
        clock.advance(timedelta(minutes=1))
        works.versions[seu.seu_id] = works.store.approve(
            version.baseline_id, version.version, ANNA, "a whole year, stable", {}, clock
        )
    return works
