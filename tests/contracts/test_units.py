"""The closed list of units and the quantum."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_quality.contracts.errors import BadInput
from data_quality.contracts.units import UNITS, Behaviour, quantise, unit_of


@pytest.mark.parametrize(
    ("code", "value", "canonical", "expected"),
    [
        ("Wh", 1500, "kwh", 1.5),
        ("MWh", 2, "kwh", 2000),
        ("MJ", 3.6, "kwh", 1),
        ("GJ", 3.6, "kwh", 1000),
        ("GWh", 2, "kwh", 2_000_000),
        ("kJ", 3600, "kwh", 1),
        ("Btu", 3412.141633127942, "kwh", 1),
        ("MMBtu", 1, "kwh", 293.07107017222),
        ("VArh", 1500, "kvarh", 1.5),
        ("MVArh", 1.5, "kvarh", 1500),
        ("MVAr", 1.5, "kvarh", 1500),
        ("VAh", 1500, "kvah", 1.5),
        ("kVAh", 1.5, "kvah", 1.5),
        ("MVAh", 1.5, "kvah", 1500),
        ("VA", 1500, "kvah", 1.5),
        ("kVA", 1.5, "kvah", 1.5),
        ("MVA", 1.5, "kvah", 1500),
        ("degF", 212, "degc", 100),
        ("m³", 2, "m3", 2),
        ("ft3", 35.3146667214886, "m3", 1),
        ("per_mwh", 80, "per_kwh", 0.08),
    ],
)
def test_a_unit_converts_as_physics_says(code: str, value: float, canonical: str, expected: float) -> None:
    unit = unit_of(code)
    assert unit.canonical == canonical
    assert value * unit.factor + unit.offset == pytest.approx(expected, rel=1e-12)


def test_every_canonical_unit_is_its_own_and_behaves_as_its_kin() -> None:
    for unit in UNITS.values():
        own = UNITS[unit.canonical]
        assert (own.factor, own.offset, own.canonical) == (1.0, 0.0, own.code)
        assert own.behaviour is unit.behaviour
        assert not (unit.is_power and unit.behaviour is Behaviour.LEVEL)


def test_units_of_one_power_differ_by_exactly_a_thousand() -> None:
    for small, middle, large in (("w", "kw", "mw"), ("var", "kvar", "mvar"), ("va", "kva", "mva")):
        for suffix in ("", "h"):
            factors = [UNITS[code + suffix].factor for code in (small, middle, large)]
            assert factors == [0.001, 1.0, 1000.0]
            assert all(UNITS[code + suffix].is_power is (suffix == "") for code in (small, middle, large))


def test_active_reactive_and_apparent_are_never_one_kind() -> None:
    assert {unit_of(code).canonical for code in ("kWh", "kVArh", "kVAh")} == {"kwh", "kvarh", "kvah"}


def test_an_unknown_unit_is_refused_with_the_allowed_ones_and_its_place() -> None:
    with pytest.raises(BadInput, match=r"^a.yaml, line 7: unknown unit 'furlong'; allowed are .*kwh.*m3"):
        unit_of("furlong", file="a.yaml", line=7)


@settings(deadline=None)
@given(st.floats(-1e6, 1e6))
def test_a_quantised_value_is_a_whole_number_of_quanta(value: float) -> None:
    assert quantise(quantise(value)) == quantise(value)
    assert math.isclose(quantise(value), value, abs_tol=5.1e-10)
    assert round(quantise(value) * 1e9) / 1e9 == quantise(value)
