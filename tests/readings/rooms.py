"""A small site and an ingestion bench that the tests of this room share."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from assets.readings.ingest.ingest_file import IngestReport, ingest_file
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.site import ColumnMap, Driver, Site
from data_quality.contracts.time import FixedClock


def plant(**changes: object) -> Site:
    """main and press (electricity), gas (m3), pv (export and value registers), three drivers; Europe/Berlin."""
    fields: dict[str, object] = {
        "site_id": "plant",
        "name": "Plant",
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "country": "DE",
        "meters": (
            Meter(meter_id="main"),
            Meter(meter_id="press", parent="main"),
            Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS, registers=(Register(unit="m3"),)),
            Meter(meter_id="pv", registers=(Register(register_id="value"), Register(register_id="export"))),
        ),
        "drivers": (
            Driver(driver_id="parts", unit="count", aggregation="sum"),
            Driver(driver_id="outdoor_degc", unit="degc", aggregation="mean"),
            Driver(driver_id="irradiance_w_per_m2", unit="w_per_m2", aggregation="mean"),
        ),
    }
    return Site.model_validate(fields | changes)


def home() -> Site:
    """One meter, so that a file need not name it."""
    return plant(meters=(Meter(meter_id="main"),), drivers=())


@dataclass
class Bench:
    """Folder, stores and clock of a test that ingests. The clock stands at 2026-01-01 unless moved."""

    folder: Path
    lake: Lake
    quarantine: QuarantineStore
    clock: FixedClock

    def file(self, text: str | bytes, name: str = "meters.csv") -> Path:
        """A file in the landing folder."""
        path = self.folder / "landing" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def ingest(
        self,
        text: str | bytes | Path,
        *,
        site: Site | None = None,
        name: str = "meters.csv",
        mapping: ColumnMap | None = None,
        dry_run: bool = False,
    ) -> IngestReport:
        """Ingest a file, or a text written as one."""
        path = text if isinstance(text, Path) else self.file(text, name)
        return ingest_file(
            path,
            site=site or plant(),
            lake=self.lake,
            quarantine=self.quarantine,
            clock=self.clock,
            mapping=mapping,
            dry_run=dry_run,
        )

    def values(self, meter_id: str = "main", register: str = "import") -> list[float]:
        """Current values of one stream in time order."""
        rows = self.lake.current("plant").filter((pl.col("meter_id") == meter_id) & (pl.col("register") == register))
        return rows["value"].to_list()

    def starts(self, meter_id: str = "main") -> list[datetime]:
        """Current interval starts of one stream."""
        rows = self.lake.current("plant").filter(pl.col("meter_id") == meter_id)
        return [moment.astimezone(UTC) for moment in rows["interval_start_utc"]]


def quarter_rows(meter: str, values: list[float], start: str = "2025-01-01T00:00") -> str:
    """Long-table lines of consecutive quarter hours, UTC, with line ends."""
    first = datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()
    moments = (datetime.fromtimestamp(first + 900 * place, UTC) for place in range(len(values)))
    return "".join(f"{meter},{moment:%Y-%m-%dT%H:%MZ},{value}\n" for moment, value in zip(moments, values, strict=True))
