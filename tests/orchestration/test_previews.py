"""Pictures in the Dagster UI show all that they are given."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from assets.stores.warehouse.marts import MARTS as KEYS
from orchestration.previews import lines
from orchestration.warehouse.mart_previews import PREVIEWED, mart_preview

TIMES = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(3)]


def test_a_line_of_every_device_is_drawn_however_many_there_are() -> None:
    def picture(last: float) -> str:
        series = {f"device {n}": [float(n), n + 1.0, 0.0] for n in range(9)} | {"the tenth": [2.0, last, 2.0]}
        return lines(TIMES, series, title="Plan", unit="kW").value

    assert picture(2.0) != picture(7.0)


def test_a_mart_shows_its_newest_periods_of_the_whole_site_on_top() -> None:
    rows = pl.DataFrame(
        {
            "scope": ["meter:m1", "site:works", "site:works"],
            "period_start": [date(2025, 2, 1), date(2025, 1, 1), date(2025, 2, 1)],
            "energy_kwh": [Decimal("1.5"), Decimal(744), Decimal("672.25")],
            **{name: [None, None, None] for name in ("peak_kw", "cost", "emission_kgco2e", "coverage")},
        }
    )
    shown = mart_preview("mart_scope__month_kpi", rows, site_id="works")["works"].value.splitlines()
    assert shown[0].startswith("| from | energy, kWh | peak, kW |")
    assert shown[2:] == ["| 2025-02-01 | 672.25 | – | – | – | – |", "| 2025-01-01 | 744.00 | – | – | – | – |"]


@pytest.mark.parametrize("name", sorted(PREVIEWED))
def test_a_mart_without_rows_shows_nothing_rather_than_an_empty_picture(name: str) -> None:
    columns = [*KEYS[name], "energy_kwh", "actual_kwh", "expected_kwh", "delta_kwh", "compared_days", "value", "unit"]
    columns += ["peak_kw", "cost", "emission_kgco2e", "coverage", "eui_kwh_per_m2", "finding"]
    nothing = pl.DataFrame(schema=dict.fromkeys(columns, pl.Float64)).cast({pl.Float64: pl.String})
    assert mart_preview(name, nothing, site_id="works") == {}


def test_actual_and_expected_energy_of_each_use_are_one_picture_of_few_bytes() -> None:
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(400)]
    rows = pl.DataFrame(
        {
            "seu_id": ["hvac"] * 400 + ["line"] * 400,
            "local_date": days * 2,
            "actual_kwh": [float(n % 7) for n in range(800)],
            "expected_kwh": [None, *[float(n % 5) for n in range(799)]],
        }
    )
    pictures = mart_preview("mart_seu__day_enpi", rows, site_id="works")
    assert set(pictures) == {"hvac", "line"}
    # Every partition of a run keeps one in Dagster's event log.
    assert all(len(each.value) < 60_000 for each in pictures.values())
