"""Cases beside the models: ESPI, degree days, days of the clock, bills, Scope 2, EnPI (formulas 5.1, 5.7–5.14)."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from assets.bills.engine.bill_load import Load
from assets.bills.engine.compute import make_bill
from assets.carbon.inventory.account import carbon_of
from assets.kpi.enpi.enpi_result import enpi_ratio, performance, review_flags, status
from assets.readings.readers.espi_format.espi_types import meaning, quality_code
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.emissions.carbon import Activity
from data_quality.contracts.factor import Basis, Factor
from data_quality.contracts.time import local_day_hours, local_midnight_utc
from data_quality.contracts.units import UNITS
from ml.baselines.models.forms import degree_days
from ml.conformance.case import Outcome, Register, expect
from ml.conformance.data import days

PLATFORM = Register("ESPI 4.0")
_case = PLATFORM.case
_BERLIN = "Europe/Berlin"


@_case("interval reading")
def a_value_of_450_is_1_8_kilowatts() -> Outcome:
    """450 with multiplier 0 and uom 72 over 900 s is 0.45 kWh, 1.8 kW."""
    # uom 72: Wh; accumulationBehaviour 4: the amount of an interval; kind 12: energy; commodity 1: electricity.
    fields = {"uom": "72", "powerOfTenMultiplier": "0", "accumulationBehaviour": "4", "kind": "12", "commodity": "1"}
    found = meaning(fields, "0")
    energy_kwh = 450.0 * 10.0**found.exponent * UNITS[found.unit].factor if found.unit else float("nan")
    return Outcome(
        round(energy_kwh, 9) == 0.45 and round(energy_kwh * 3600 / 900, 9) == 1.8,
        f"{energy_kwh:g} kWh, {energy_kwh * 3600 / 900:g} kW",
    )


@_case("flowDirection")
def direction_19_is_export() -> Outcome:
    """Flow 1 is import, 19 export."""
    shown = [
        meaning({"uom": "72", "flowDirection": code, "accumulationBehaviour": "4"}, "0").register
        for code in ("1", "19")
    ]
    return Outcome(shown == ["import", "export"], ", ".join(shown))


@_case("ReadingQuality")
def quality_codes_are_those_of_espi() -> Outcome:
    """0, 7–12, 14, 15, 17–19 are kept; an unknown code is questionable (10)."""
    known = (0, 7, 8, 9, 10, 11, 12, 14, 15, 17, 18, 19)
    holds = all(quality_code(code) == code for code in known) and quality_code(99) == 10
    return Outcome(holds, "12 codes kept, 99 becomes 10")


@_case("mean temperature", standard="Degree days")
def heating_degree_days_of_a_mean() -> Outcome:
    """Days of 10, 15.5 and 20 °C have 5.5 heating and 4.5 cooling degree days at 15.5 °C."""
    usage = days(np.ones(3), np.array([10.0, 15.5, 20.0]))
    heating, cooling = degree_days(usage, np.array([15.5]))
    return Outcome(
        float(heating.sum()) == 5.5 and float(cooling.sum()) == 4.5,
        f"HDD {heating.sum():g}, CDD {cooling.sum():g} °C·d",
    )


@_case("integrated", standard="Degree days")
def the_integrated_method_differs_near_the_base() -> Outcome:
    """A day of 12 h at 10 °C and 12 h at 20 °C has 0.5 HDD by its mean at 15.5 °C, 2.75 by its hours."""
    usage = days(np.ones(1), np.array([15.0]))
    by_mean = float(degree_days(usage, np.array([15.5]))[0].sum())
    # The mean hides that half of the day was cold.
    by_hours = 12 * 5.5 / 24
    reason = "the method of means is the one computed and stated; the integrated one is not offered"
    return Outcome(by_mean == 0.5 and by_hours == 2.75, f"mean {by_mean:g}, integrated {by_hours:g} °C·d", reason)


@_case("local day", standard="Time")
def days_of_the_clock_change_have_23_and_25_hours() -> Outcome:
    """2025-03-30 has 23 hours in Berlin, 2025-10-26 has 25."""
    shown = [local_day_hours(day, _BERLIN) for day in (date(2025, 3, 30), date(2025, 10, 26))]
    return Outcome(shown == [23.0, 25.0], f"{shown[0]:g} and {shown[1]:g} h")


def _load(kilowatts: float, start: date, end: date, *, peak_at: int | None = None, peak_kw: float = 0.0) -> Load:
    begun = local_midnight_utc(start, _BERLIN)
    power = np.full(int((local_midnight_utc(end, _BERLIN) - begun) / timedelta(minutes=15)), kilowatts)
    if peak_at is not None:
        # In January: what February's ratchet remembers.
        power[peak_at] = peak_kw
    energy = np.rint(power * 0.25 * 1e9).astype(np.int64)
    return Load(start_utc=begun, step_minutes=15, load=energy, is_present=np.ones(len(energy), dtype=np.bool_))


def _amounts(tariff: dict[str, object], load: Load) -> list[dict[str, Decimal]]:
    known = Tariff.model_validate({"tariff_id": "t", "currency": "EUR", **tariff})
    return [
        {line.line_id: line.amount for line in each.lines}
        for each in make_bill([known], load, time_zone=_BERLIN).periods
    ]


@_case("energy", standard="Bills")
def energy_is_charged_by_the_hours_of_the_clock() -> Outcome:
    """4 kW over January 2025 at 0.10 EUR/kWh is 297.60 EUR; over March, 743 hours, 297.20."""
    flat: dict[str, object] = {"periods": [{"period_id": "all", "price_per_kwh": "0.10"}]}
    january = _amounts(flat, _load(4.0, date(2025, 1, 1), date(2025, 2, 1)))[0]["energy.all"]
    march = _amounts(flat, _load(4.0, date(2025, 3, 1), date(2025, 4, 1)))[0]["energy.all"]
    return Outcome((january, march) == (Decimal("297.60"), Decimal("297.20")), f"{january} and {march} EUR")


@_case("ratchet", standard="Bills")
def a_ratchet_bills_four_fifths_of_the_old_peak() -> Outcome:
    """620 kW now, 900 before, ratchet 80 %: 720 kW billed."""
    tariff: dict[str, object] = {
        "periods": [{"period_id": "all", "price_per_kwh": "0.10"}],
        "demand": [
            {
                "charge_id": "demand",
                "periods": [{"period_id": "all", "price_per_kw": 1}],
                # The eleven months before the one that is billed.
                "ratchet": {"share": "0.8", "months": 11},
            }
        ],
    }
    found = _amounts(tariff, _load(620.0, date(2025, 1, 1), date(2025, 3, 1), peak_at=5, peak_kw=900.0))
    shown = [each["demand.all"] for each in found]
    return Outcome(shown == [900, 720], f"{shown[0]} and {shown[1]} EUR at 1 EUR/kW")


def _carbon(basis: Basis, kg_per_kwh: str) -> Factor:
    return Factor(
        factor_id=f"grid-{basis}",
        scope=2,
        activity="electricity",
        unit="kWh",
        kg_co2e_per_unit=Decimal(kg_per_kwh),
        valid_from=date(2024, 1, 1),
        valid_to=date(2025, 1, 1),
        basis=basis,
    )


@_case("Scope 2, location", standard="GHG Protocol")
def location_based_emissions_are_energy_times_the_grid_factor() -> Outcome:
    """125,000 kWh at 0.20705 kg/kWh (United Kingdom 2024) are 25,881.25 kg."""
    # Generation alone: the losses of the grid are Scope 3.
    found = carbon_of([_year_of_power()], [_carbon(Basis.LOCATION, "0.20705")])
    return expect(float(found.scope2_location_kgco2e), 25881.25, digits=2, unit=" kgCO2e")


@_case("Scope 2, market", standard="GHG Protocol")
def market_based_emissions_use_the_residual_mix() -> Outcome:
    """Energy that no instrument covers has the residual mix; both totals stand side by side."""
    # 0.3 is made up: above the grid's, as what is left after certificates usually is.
    factors = [_carbon(Basis.LOCATION, "0.20705"), _carbon(Basis.RESIDUAL, "0.3")]
    found = carbon_of([_year_of_power()], factors)
    holds = found.scope2_market_kgco2e == 37500 and found.scope2_location_kgco2e == Decimal("25881.25")
    return Outcome(holds, f"location {found.scope2_location_kgco2e:f}, market {found.scope2_market_kgco2e:f} kgCO2e")


def _year_of_power() -> Activity:
    return Activity(
        activity_id="a1",
        activity="electricity",
        quantity=Decimal(125000),
        unit="kWh",
        start=date(2024, 1, 1),
        end=date(2025, 1, 1),
    )


@_case("6.4", standard="ISO 50001")
def the_enpi_is_actual_over_expected() -> Outcome:
    """95 of 100 expected is an EnPI of 0.95."""
    return expect(float(enpi_ratio(Decimal(95), Decimal(100)) or 0), 0.95, digits=9)


@_case("9.1, alert levels", standard="ISO 50001")
def a_saving_is_compliant_and_improved() -> Outcome:
    """Signed rule: up to +3 % compliant, up to +5 % warning, above critical; −5 % is compliant and improved."""
    shown = [status(each) for each in (0, 2, 3, 4, 5, 5.098, 5.51, 7.5, 8, 10, -5, -3.2)]
    wanted = ["compliant"] * 3 + ["warning"] * 2 + ["critical"] * 5 + ["compliant"] * 2
    holds = shown == wanted and performance(-5) == performance(-3.2) == "improved"
    reason = "the standard has no such levels; these are an organisation's own"
    return Outcome(holds, "twelve deviations as in the rule", reason)


@_case("9.1, review", standard="ISO 50001")
def an_implausible_saving_is_looked_at_again() -> Outcome:
    """−20 % is compliant and carries the flag implausible_saving."""
    flags = review_flags(-20.0, is_extrapolated=False, coverage=1.0)
    return Outcome(status(-20.0) == "compliant" and flags == ("implausible_saving",), ", ".join(flags))
