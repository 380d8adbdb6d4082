"""What a plan is told about export: paid by the hours of the tariff, nothing where the tariff does not say."""

from datetime import UTC, datetime
from pathlib import Path

from assets.stores.lake.lake import Lake
from assets.stores.transactions import open_store
from controls.planning.prices import prices_between
from data_quality.contracts.site_file.site import Site
from tests.kpi.seeded import plant

DAY = (datetime(2025, 4, 1, 8, tzinfo=UTC), datetime(2025, 4, 1, 12, tzinfo=UTC))
HOURS = [
    {"period_id": "noon", "price_per_kwh": 0.02, "start": "11:00", "end": "15:00"},
    {"period_id": "else", "price_per_kwh": 0.08, "start": "15:00", "end": "11:00"},
]


def told(folder: Path, site: Site) -> dict[str, float] | None:
    lake = Lake(folder / "lake", open_store(f"sqlite:///{folder / 'store.db'}"))
    prices = prices_between(site, lake, start_utc=DAY[0], end_utc=DAY[1])
    assert prices.height == 16
    if "export_price_per_kwh" not in prices.columns:
        return None
    at = prices["interval_start_utc"].dt.strftime("%H:%M")
    return dict(zip(at, prices["export_price_per_kwh"], strict=True))


def with_export(**export: object) -> Site:
    (known,) = plant().model_dump(mode="json", exclude_unset=True)["tariffs"]
    known.pop("export_price_per_kwh", None)
    return plant(tariffs=[known | {"export": export}])


def test_export_by_hours_reaches_the_plan(tmp_path: Path) -> None:
    paid = told(tmp_path, with_export(periods=HOURS))
    assert paid is not None
    assert (paid["08:45"], paid["09:00"]) == (0.08, 0.02)  # 10:45 and 11:00 in Berlin


def test_one_export_price_stays_with_the_tariff(tmp_path: Path) -> None:
    assert told(tmp_path, with_export(price_per_kwh=0.05)) is None
