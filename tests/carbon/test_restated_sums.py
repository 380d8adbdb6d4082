"""The lines of a restatement add up to the difference of the totals, whatever readings and factors change."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.inventory.restate import restate
from data_quality.contracts.emissions.footprint import Footprint
from data_quality.contracts.site_file.meter import Carrier
from tests.carbon.test_footprint import NOW, entry, footprint, months, site

_KWH = st.lists(st.integers(0, 500).map(str), min_size=12, max_size=12)
_FACTORS = st.lists(st.integers(0, 900).map(lambda grams: str(Decimal(grams) / 1000)), min_size=3, max_size=3)
_TOTALS = {"direct": "scope1_kgco2e", "location": "scope2_location_kgco2e", "market": "scope2_market_kgco2e"}


def view(kwh: tuple[list[str], list[str]], factors: list[str]) -> Footprint:
    first, second, gas = factors
    known = site(
        factors=[
            entry("e1", first, "2024-01-01", "2024-05-01"),
            entry("e2", second, "2024-05-01", "2025-01-01"),
            entry("g", gas, "2024-01-01", "2025-01-01", carrier="natural_gas"),
        ]
    )
    return footprint([*months(Carrier.ELECTRICITY, *kwh[0]), *months(Carrier.NATURAL_GAS, *kwh[1])], of=known)


@settings(max_examples=60, deadline=None)
@given(kwh=st.tuples(st.tuples(_KWH, _KWH), st.tuples(_KWH, _KWH)), factors=st.tuples(_FACTORS, _FACTORS))
def test_lines_add_up_to_the_difference_of_the_totals(
    kwh: tuple[tuple[list[str], list[str]], tuple[list[str], list[str]]], factors: tuple[list[str], list[str]]
) -> None:
    old, new = view(kwh[0], factors[0]), view(kwh[1], factors[1])
    lines = restate(old, new, from_utc=NOW, to_utc=NOW).lines
    for method, total in _TOTALS.items():
        changes = [line.delta_kgco2e for line in lines if line.method == method]
        assert sum(filter(None, changes), Decimal(0)) == getattr(new, total) - getattr(old, total)
    for line in lines:
        if line.by_factor_kgco2e is not None and line.by_reading_kgco2e is not None:
            assert line.by_factor_kgco2e + line.by_reading_kgco2e == line.delta_kgco2e
