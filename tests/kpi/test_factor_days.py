"""A changed emission factor makes the months stale on whose days it differs, and no others."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.factor_choice.factor_view import factor_view, known_factors
from assets.kpi.mart_windows import changed_days, factors_text, is_changed, read_from, spliced, stale_months
from assets.stores.ledgers.factor_ledger import FactorStore
from assets.stores.transactions import Store
from assets.stores.warehouse.marts import Built, BuiltSite
from data_quality.contracts.factor import Factor, FactorSet
from data_quality.contracts.time import FixedClock
from tests.kpi.seeded import plant

OLD = "2025-01-01|2026-01-01|electricity//site_file|0.4"
START = date(2025, 1, 1)
months = st.lists(st.sampled_from(["0.1", "0.2", ""]), min_size=12, max_size=12)


def text(values: list[str], name: str = "gas//store") -> str:
    """A factor for each month of 2025, as a text; an empty one is a gap."""
    edges = [date(2025, month, 1) for month in range(1, 13)] + [date(2026, 1, 1)]
    spans = zip(edges, edges[1:], values, strict=False)
    return "\n".join(f"{first}|{after}|{name}|{value}" for first, after, value in spans if value)


def on_days(written: str) -> dict[tuple[str, date], str]:
    """Values of a text, day by day: the slow way."""
    found = {}
    for line in written.splitlines():
        first, after, name, value = line.split("|")
        day = date.fromisoformat(first)
        while day < date.fromisoformat(after):
            found[name, day] = value
            day += timedelta(days=1)
    return found


@settings(max_examples=20, deadline=None)
@given(months, months)
def test_changed_days_are_exactly_those_whose_factor_is_another(before: list[str], now: list[str]) -> None:
    old, new = text(before) + "\n" + OLD, text(now) + "\n" + OLD
    spans = changed_days(old, new)
    days = [START + timedelta(days=each) for each in range(365)]
    then, later = on_days(old), on_days(new)
    differing = {key[1] for key in {**then, **later} if then.get(key) != later.get(key)}
    assert {day for day in days if any(first <= day < after for first, after in spans)} == differing


@settings(max_examples=20, deadline=None)
@given(months, months, st.integers(1, 12), st.integers(1, 12))
def test_computing_some_months_leaves_the_others_with_their_former_factor(
    before: list[str], now: list[str], one: int, other: int
) -> None:
    old, new = text(before), text(now)
    first, after = date(2025, min(one, other), 1), (date(2025, max(one, other), 1) + timedelta(days=31)).replace(day=1)
    built, former, present = on_days(spliced(old, new, first, after)), on_days(old), on_days(new)
    for day in (START + timedelta(days=each) for each in range(365)):
        want = present if first <= day < after else former
        assert built.get(("gas//store", day)) == want.get(("gas//store", day))


def test_a_month_is_stale_where_a_factor_of_one_of_its_days_changed() -> None:
    site = BuiltSite(sha256="a", project="p", entry=9, factors=OLD)
    built = Built(floor=9, sites={"s": site})
    touched = {f"s|2025-{month:02d}": month for month in range(1, 9)}
    assert stale_months(built, touched, {"s": site}) == {}
    assert read_from(built, "s", site) == 9
    now = site.model_copy(
        update={"factors": spliced(OLD, OLD.replace("0.4", "0.3"), date(2025, 3, 31), date(2025, 4, 2))}
    )
    assert stale_months(built, touched, {"s": now}) == {"s|2025-03": 3, "s|2025-04": 4}
    assert read_from(built, "s", now) == 0


@pytest.mark.parametrize(
    ("month", "is_stale"), [("s|2025-02", False), ("s|2025-03", True), ("s|2025-12", True), ("s|2026-01", False)]
)
def test_a_span_touches_the_months_of_its_days(month: str, is_stale: bool) -> None:
    assert is_changed(month, [(date(2025, 3, 31), date(2026, 1, 1))]) is is_stale


def test_only_location_based_factors_of_carriers_that_the_site_meters_count(store: Store) -> None:
    site = plant(factors=[])
    head = {"scope": 2, "unit": "kWh", "valid_from": START, "valid_to": date(2026, 1, 1), "kg_co2e_per_unit": "0.25"}
    rows = [
        Factor.model_validate(head | {"factor_id": "e", "activity": "electricity"}),
        Factor.model_validate(head | {"factor_id": "r", "activity": "electricity", "basis": "residual"}),
        Factor.model_validate(head | {"factor_id": "h", "activity": "district heat"}),
    ]
    FactorStore(store).add(
        FactorSet(path="f.csv", sha256="0" * 64, factors=tuple(rows)),
        clock=FixedClock(datetime(2026, 1, 1, tzinfo=UTC)),
    )
    assert factors_text(site, factor_view(site)) == ""
    assert (
        factors_text(site, known_factors(site, store)) == "2025-01-01|2026-01-01|electricity//store|0.250000000000000"
    )
