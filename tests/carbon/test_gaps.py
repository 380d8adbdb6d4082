"""Periods that a list leaves out are named with their coverage; events and years side by side are no series."""

from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.inventory.account import gaps
from data_quality.contracts.emissions.carbon import Activity
from tests.carbon.cases import answer, bought, written

MONTHS = [date(2024, month, 1) for month in range(1, 13)] + [date(2025, 1, 1)]


def month(number: int, **changes: object) -> Activity:
    return bought(activity_id=f"m{number}", start=MONTHS[number - 1], end=MONTHS[number], **changes)


def test_a_month_that_is_not_listed_is_named_with_the_coverage() -> None:
    (finding,) = gaps([month(number) for number in (1, 2, 4, 5)])
    assert finding.code == "missing_time"
    assert finding.facts == {"coverage": 1 - 31 / 152, "days": 31}
    assert "nothing is listed for 2024-03-01 to 2024-03-31; the account covers 79.6%" in finding.message


def test_a_series_that_ends_before_its_account_does_is_named() -> None:
    gas = bought(activity_id="gas", activity="gas", unit="kWh gross CV")
    (finding,) = gaps([gas, *(month(number) for number in range(1, 12))])
    assert finding.scope == "electricity"
    assert "2024-12-01 to 2024-12-31" in finding.message
    assert gaps([gas, *(month(number) for number in range(1, 13))]) == []


def test_deliveries_and_accounts_of_several_years_have_no_gaps_to_name() -> None:
    refills = [bought(activity="R-410A", unit="kg", start=date(2024, 3, 5), end=date(2024, 3, 6))]
    assert gaps([*refills, bought()]) == []
    years = [bought(start=date(year, 1, 1), end=date(year + 1, 1, 1)) for year in (2020, 2021)]
    assert gaps([*years, bought(region="FR", start=date(2020, 1, 1), end=date(2021, 1, 1))]) == []
    assert len(gaps([years[0], bought(start=date(2022, 1, 1), end=date(2023, 1, 1))])) == 1


@settings(deadline=None)
@given(st.sets(st.integers(1, 12), min_size=1))
def test_the_coverage_is_the_share_of_the_days_that_are_listed(listed: set[int]) -> None:
    rows = [month(number) for number in sorted(listed)]
    whole = bought(activity_id="whole", activity="gas")
    found = {finding.scope: finding.facts["coverage"] for finding in gaps([whole, *rows])}
    share = sum((row.end - row.start).days for row in rows) / 366
    assert abs(float(found.get("electricity", 1.0) or 0) - share) < 1e-12


def test_the_command_says_which_month_is_missing(tmp_path: Path) -> None:
    activity = written(
        tmp_path / "a.csv", "id,activity,quantity,unit,start,end",
        *(f"m{number},electricity,10,kWh,2024-{number:02d}-01,2024-{number + 1:02d}-01" for number in (1, 2, 4)),
    )  # fmt: skip
    factors = written(tmp_path / "f.csv", "scope,activity,unit,kg_co2e_per_unit,year", "2,electricity,kWh,0.2,2024")
    found = answer("carbon", "--activity", activity, "--factors", factors)["findings"]
    assert [finding["facts"]["days"] for finding in found if finding["code"] == "missing_time"] == [31]
