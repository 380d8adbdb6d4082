"""A year of the plant with gas, gaps, estimates and bills: what the reports of templates are made of in tests."""

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from assets.bills.engine.bill_load import load_of
from assets.bills.engine.compute import make_bill
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.bill import ItemKind
from data_quality.contracts.billing.supplier_bill import BilledLine, Place, SupplierBill
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent, event_id_of
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import EmissionFactorEntry, Site
from data_quality.contracts.time import Period, local_midnight_utc, parse_period
from reports.assess import baselines_in_force
from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.datasets.base import ReportInput
from reports.recompute.figure_sources import Sources, seu_of
from reports.report_content import ReportContent
from tests.definitions import DEFINITIONS
from tests.reports import plant
from tests.reports.conftest import World, make_world

FEBRUARY = datetime(2026, 2, 1, 12, tzinfo=UTC)
# Two days of the main meter, one of a submeter, a week of a driver.
LOST = (
    ("main", date(2025, 5, 6)),
    ("main", date(2025, 5, 7)),
    ("hvac", date(2025, 9, 9)),
    ("pieces", date(2025, 8, 4)),
)


@dataclass
class Year:
    """A world with its site of a year."""

    world: World
    site: Site

    def sources(self) -> Sources:
        """Fresh sources."""
        return Sources(
            lake=self.world.lake,
            sites={self.site.site_id: self.site},
            definitions=DEFINITIONS,
        )

    def given(
        self, period: str, *, seu: str | None = None, sources: Sources | None = None, marts_dir: Path | None = None
    ) -> ReportInput:
        """Inputs of a report of that period."""
        as_of = self.world.reports.store.known_at(self.world.clock)
        versions = baselines_in_force(self.site, self.world.baselines, as_of_utc=as_of)
        return ReportInput(
            site=self.site,
            period=parse_period(period, self.site.time_zone),
            as_of_utc=as_of,
            sources=sources or self.sources(),
            versions=versions if seu is None else {key: each for key, each in versions.items() if key == seu},
            seu=None if seu is None else seu_of(self.site, seu),
            marts_dir=marts_dir,
        )

    def report(
        self, name: str, period: str, *, seu: str | None = None, sources: Sources | None = None, revision: int = 1
    ) -> ReportContent:
        """The content of a template's report."""
        return template_report(load_template(name), self.given(period, seu=seu, sources=sources), revision=revision)


def year_site(**changes: object) -> Site:
    """The plant with a gas meter and a gas factor that changes in July."""
    site = plant.plant_site()
    gas = [
        EmissionFactorEntry(
            factor_id=name,
            carrier=Carrier.NATURAL_GAS,
            kgco2e_per_kwh=value,
            valid_from=first,
            valid_to=after,
            source="test",
        )
        for name, value, first, after in (
            ("gas-1", 0.2, date(2024, 1, 1), date(2025, 7, 1)),
            ("gas-2", 0.21, date(2025, 7, 1), date(2026, 1, 1)),
        )
    ]
    fields: dict[str, object] = {
        "meters": (*site.meters, Meter(meter_id="gas", name="Gas", carrier=Carrier.NATURAL_GAS)),
        "factors": (*site.factors, *gas),
    }
    return Site.model_validate({**dict(site), **fields, **changes})


def year_rows(end: date = date(2026, 1, 1), *, lost: Iterable[tuple[str, date]] = LOST) -> pl.DataFrame:
    """Readings of 2025 up to `end`: the plant's, gas of 2.5 kWh a quarter hour, the compressors' 3 March estimated."""
    rows = plant.plant_rows(date(2025, 1, 1), end, skip=tuple(lost))
    gas = rows.filter(pl.col("meter_id") == "compressor_1").with_columns(meter_id=pl.lit("gas"), value=pl.lit(2.5))
    guessed = (pl.col("meter_id") == "main") & (
        pl.col("interval_start_utc").dt.convert_time_zone(plant.ZONE).dt.date() == date(2025, 3, 3)
    )
    return pl.concat([rows, gas]).with_columns(
        quality_code=pl.when(guessed).then(8).otherwise("quality_code").cast(rows.schema["quality_code"])
    )


def make_year(folder: Path, *, site: Site | None = None, rows: pl.DataFrame | None = None, **options: object) -> Year:
    """The world in a folder, its clock in February 2026. The caller closes world.lake.store."""
    world = make_world(folder, rows=year_rows() if rows is None else rows, **options)
    world.clock.advance(FEBRUARY - world.clock.now_utc())
    return Year(world=world, site=site or year_site())


def add_bill(year: Year, month: str, *, extra: Decimal = Decimal(0), currency: str = "EUR", invoice: str = "") -> str:
    """A stored bill of the main meter's month: ours, with `extra` on its first line. Returns its id."""
    period = parse_period(month, year.site.time_zone)
    ours = make_bill(
        year.site.tariffs,
        load_of(_main_rows(year.world.lake, period)),
        time_zone=year.site.time_zone,
        start=period.start,
        end=period.end,
        currency="EUR",
    ).periods[0]
    lines = [
        BilledLine(
            place=Place(line=number), label=line.description or line.line_id, quantity=line.quantity, unit=line.unit,
            rate=line.rate, amount=line.amount + (extra if number == 1 else 0),
        )
        for number, line in enumerate(ours.lines, start=1)
        if line.kind is not ItemKind.INFORMATION
    ]  # fmt: skip
    name = invoice or f"INV-{month}"
    path = year.world.lake.root.parent / f"{name}.csv"
    path.write_text(f"{name},{month},{extra},{currency}\n")
    bill = SupplierBill(
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        supplier="Stadtwerke",
        invoice=name,
        account="4711",
        meter="main",
        start=period.start,
        end=period.end,
        tariff_codes=("tou",),
        currency=currency,
        lines=tuple(lines),
        total=ours.total + extra,
    )
    books = BillStore(year.world.lake.root.parent / "bills", year.world.lake.store)
    return books.keep_bill(path, bill, site_id="plant", clock=year.world.clock)


def event(day: int, *, meter: str = "hvac", kwh: float | None = 40.0, cost: float | None = 8.4) -> AnomalyEvent:
    """An anomaly event of eight hours in June 2025, above what is usual."""
    start = datetime(2025, 6, day, 20, tzinfo=UTC)
    evidence = ({"name": "measured", "value": 60.0, "unit": "kwh"}, {"name": "expected", "value": 20.0, "unit": "kwh"})
    return AnomalyEvent(
        event_id=event_id_of("plant", meter, "import", "night_waste", start), site_id="plant", meter_id=meter,
        register_id="import", kind="night_waste", cause="waste", severity=2, start_utc=start,
        end_utc=start + timedelta(hours=8), kwh=kwh, cost=cost, currency="EUR",
        cost_finding=None if cost is not None else "no_price", params_version="1", evidence=evidence,
    )  # fmt: skip


def publish(year: Year, *events: AnomalyEvent) -> None:
    """Store what a scoring of June 2025 found; five minutes pass."""
    start, end = datetime(2025, 5, 31, 22, tzinfo=UTC), datetime(2025, 6, 30, 22, tzinfo=UTC)
    AnomalyLedger(year.world.lake.store).publish(
        "plant", events, start_utc=start, end_utc=end, seen_until_utc=end,
        judged=[("hvac", "import"), ("main", "import")], clock=year.world.clock,
    )  # fmt: skip
    year.world.clock.advance(timedelta(minutes=5))


def _main_rows(lake: Lake, period: Period) -> pl.DataFrame:
    start, end = (local_midnight_utc(day, period.time_zone) for day in (period.start, period.end))
    rows = lake.current("plant", start_utc=start, end_utc=end, meters=["main"])
    return rows.select("interval_start_utc", minutes="interval_minutes", kwh="value")


def close(year: Year) -> None:
    """Give back the store's connections and the folder."""
    folder = year.world.lake.root.parent
    year.world.lake.store.close()
    shutil.rmtree(folder, ignore_errors=True)
