"""Alerts from published marts: the same as from the readings, and quiet where nothing may be judged."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from assets.kpi.enpi.alerts import mart_alerts
from assets.stores.warehouse.marts import write_mart
from tests.life.world import Works

PACKING = "works/packing/enb"


def months(percents: list[float], *, baseline_id: str = PACKING, version: int = 1, compared: int = 30) -> pl.DataFrame:
    """A month mart of 2025 from January on: 10,000 kWh expected a month."""
    n = len(percents)
    return pl.DataFrame(
        {
            "site_id": ["works"] * n,
            "seu_id": ["packing"] * n,
            "month_start": pl.Series([date(2025, month + 1, 1) for month in range(n)], dtype=pl.Date),
            "actual_kwh": [Decimal(10_000) + Decimal(str(100 * percent)) for percent in percents],
            "expected_kwh": [Decimal(10_000)] * n,
            "compared_days": [compared] * n,
            "period_days": [30] * n,
            "baseline_id": [baseline_id] * n,
            "baseline_version": [version] * n,
        }
    )


def alerts(works: Works, folder: Path, frame: pl.DataFrame) -> list[tuple[str, str]]:
    write_mart(frame, folder, "mart_seu__month_enpi", years=None)
    found = mart_alerts(works.site, marts_dir=folder, baselines=works.store)
    assert found["line"] == ()
    return [(each.kind, each.quarter) for each in found["packing"]]


@pytest.mark.parametrize(
    ("percents", "wanted"),
    [
        ([6.0] * 3, [("critical", "2025-Q1")]),
        ([5.0] * 3, []),
        ([6.0] * 6, [("critical", "2025-Q2"), ("escalation", "2025-Q2")]),
        ([6.0] * 5, [("critical", "2025-Q1")]),
        ([6.0] * 3 + [1.0] * 3, []),
        ([], []),
    ],
)
def test_the_newest_complete_quarter_alarms(
    still: Works, tmp_path: Path, percents: list[float], wanted: list[tuple[str, str]]
) -> None:
    assert alerts(still, tmp_path, months(percents)) == wanted


@pytest.mark.parametrize("options", [{"version": 7}, {"compared": 26}, {"baseline_id": "works/other/enb"}])
def test_a_quarter_that_may_not_be_judged_alarms_nobody(
    still: Works, tmp_path: Path, options: dict[str, object]
) -> None:
    assert alerts(still, tmp_path, months([9.0] * 3, **options)) == []  # type: ignore[arg-type]


def test_a_provisional_baseline_alarms_nobody(works: Works, tmp_path: Path) -> None:
    works.store.add(works.versions["packing"].baseline, "run", "8" * 64, "ben", works.clock)
    assert alerts(works, tmp_path, months([9.0] * 3, version=2)) == []
