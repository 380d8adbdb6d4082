"""Cases of CalTRACK 2.0 for days and bills: sufficiency and method (formulas 5.6)."""

from datetime import date, timedelta

import numpy as np

from data_quality.contracts.finding import Finding
from ml.baselines.models.choose import CALTRACK_BASES_DEGC
from ml.baselines.models.fit import fit_usage
from ml.baselines.models.forms import LinearForm, degree_days
from ml.baselines.models.search import MIN_DAYS, MIN_DEGREE_DAYS
from ml.baselines.savings.savings import Savings, savings
from ml.baselines.usage_tables.usage_table import usage_of
from ml.conformance.case import Outcome, Register, expect
from ml.conformance.data import (
    END,
    SPLIT,
    START,
    ZONE,
    billed,
    bills,
    codes,
    days,
    fitted,
    frame,
    load,
    month_bills,
    temperatures,
    year,
)

CALTRACK = Register("CalTRACK 2.0")
_case = CALTRACK.case


@_case("2.2.1.1")
def a_baseline_has_365_days() -> Outcome:
    """A baseline of fewer than 365 days is blocked."""
    short, whole = fitted(year(), start=date(2022, 2, 1)), fitted(year())
    holds = "period_too_short!" in codes(short) and "period_too_short!" not in codes(whole)
    return Outcome(holds, "334 days: period_too_short, blocking; 365 days: no finding")


@_case("2.2.1.2")
def at_most_37_days_may_be_missing() -> Outcome:
    """Up to 10 % of the 365 days (37) may be missing, 38 block."""
    temps, found = temperatures(), []
    # A tenth of 365 is 36.5, and CalTRACK itself says 37.
    for missing in (36, 37, 38):
        energy = load(temps)
        energy[10 : 10 + missing] = np.nan
        found.append("missing_days!" in codes(fitted(days(energy, temps))))
    return Outcome(found == [False, False, True], "37 missing days pass, 38 block")


@_case("2.2.1.4")
def zero_electricity_is_missing() -> Outcome:
    """A zero of an electricity meter is missing, of a gas meter a reading."""
    values = np.full(30 * 24, 1.0)
    values[5] = 0.0
    readings = frame(values, "energy_kwh", minutes=60)
    power, gas = (
        usage_of(readings, frequency="hourly", zone=ZONE, zero_is_missing=flag).frame["energy_kwh"]
        for flag in (True, False)
    )
    return Outcome(power.null_count() == 1 and gas[5] == 0.0, "electricity: null; gas: 0")


@_case("2.2.2.1")
def a_day_needs_half_of_its_readings() -> Outcome:
    """12 of 24 hours make a day with the mean of the present ones; 11 do not."""
    values = np.full(72, 2.0)
    values[24 + 12 : 48] = np.nan
    values[48 + 11 :] = np.nan
    readings = frame(values, "energy_kwh", minutes=60).drop_nulls()
    found = usage_of(readings, frequency="daily", zone=ZONE).frame["energy_kwh"].to_list()
    return Outcome(found[:2] == [48.0, 48.0] and found[2:] in ([None], []), "24 h: 48 kWh; 12 h: 48 kWh; 11 h: missing")


@_case("2.2.3")
def bills_have_a_usual_length() -> Outcome:
    """Bills under 25 days and, of monthly ones, over 35 days are left out; two-monthly ones up to 70 stay."""
    monthly = billed(bills([24, 25, 30, 35, 36], [1.0] * 5)).frame["days"].to_list()
    two = billed(bills([60, 70, 71, 61], [1.0] * 4)).frame["days"].to_list()
    return Outcome(monthly == [25, 30, 35] and two == [60, 70, 61], f"kept {monthly} and {two}")


@_case("2.2.3.4")
def an_estimated_bill_joins_the_next() -> Outcome:
    """An estimated bill is merged with the next up to 70 days."""
    # The median bill is of two months, so that the merged one has a usual length.
    found = billed(bills([60, 30, 30, 61], [60.0, 30.0, 31.0, 61.0], estimated=[False, True, False, False]))
    rows = list(zip(found.frame["days"].to_list(), found.frame["energy_kwh"].to_list(), strict=True))
    return Outcome((60.0, 61.0) in rows and len(rows) == 3, "30 + 30 days, 30 + 31 kWh: one bill of 60 days and 61 kWh")


@_case("2.2.4.1")
def temperature_gaps_of_six_hours_are_filled() -> Outcome:
    """Temperature gaps up to 6 hours are interpolated, one of 7 is not."""
    temps = np.arange(48, dtype=np.float64)
    temps[2:8], temps[20:27] = np.nan, np.nan
    weather = frame(temps, "temp_degc", minutes=60).drop_nulls()
    readings = frame(np.ones(48), "energy_kwh", minutes=60)
    found = usage_of(readings, temperatures=weather, frequency="hourly", zone=ZONE).frame["temp_degc"].to_list()
    holds = found[2:8] == [2.0, 3.0, 4.0, 5.0, 6.0, 7.0] and found[20:27] == [None] * 7
    return Outcome(holds, "6 h: straight line; 7 h: missing")


@_case("2.2.6")
def net_metering_is_flagged() -> Outcome:
    """Energy fed in during the baseline is named."""
    temps = temperatures()
    energy = load(temps)
    energy[100] = -5.0
    flagged = "negative_energy" in codes(days(energy, temps))
    deviation = "a change of net metering is not in the files; negative energy is flagged, not excluded"
    return Outcome(flagged, "one negative day: negative_energy", deviation)


@_case("2.2.7")
def a_new_large_load_is_flagged() -> Outcome:
    """A vehicle charger or the like, added within the periods, is found as a lasting step of use."""
    temps = temperatures()
    energy = load(temps)
    energy[500:] += 25.0
    usage = days(energy, temps)
    found = savings(fitted(usage), usage, report_start=SPLIT, report_end=END, resamples=0)
    starts = [str(each.facts["start"]) for each in found.findings if each.code == "non_routine_event"] \
        if isinstance(found, Savings) else []  # fmt: skip
    deviation = "no list of vehicles is read; the step itself is found (non_routine_event) and stops the claim"
    return Outcome(len(starts) == 1, f"+25 kWh/day from 2023-05-16: found from {', '.join(starts)}", deviation)


@_case("2.3.5")
def negative_meter_data_are_flagged() -> Outcome:
    """Negative readings are named and kept."""
    temps = temperatures()
    energy = load(temps)
    energy[7] = -1.0
    usage = days(energy, temps)
    return Outcome(
        "negative_energy" in codes(usage) and usage.frame["energy_kwh"][7] == -1.0, "flagged, kept as -1 kWh"
    )


@_case("2.3.6")
def extreme_values_are_flagged() -> Outcome:
    """A day over three interquartile ranges above the median is named, not deleted."""
    temps = temperatures()
    energy = load(temps)
    energy[30] = 1000.0
    fit = fitted(days(energy, temps))
    return Outcome(
        "extreme_values" in codes(fit) and fit.n == 365, "1,000 kWh among 60 to 140: flagged, 365 days fitted"
    )


@_case("2.4.2")
def the_weather_station_is_near() -> Outcome:
    """A station of another climate zone or over 200 km away is flagged."""
    deviation = (
        "weather is given as a file, which names no station; a site's own weather drivers state theirs, and no "
        "distance is judged"
    )
    return Outcome(True, "not computed", deviation)


@_case("3.2")
def use_per_day_is_a_line_of_degree_days() -> Outcome:
    """UPD = μ + βH·HDD + βC·CDD finds μ = 60, βH = 5 and βC = 3 of a load that has them."""
    temps = temperatures()
    fit = fitted(days(load(temps, noise=0.5), temps), model="caltrack")
    values = list(fit.coefficients.values())
    holds = fit.model == "hdd_cdd" and np.allclose(values, [60.0, 5.0, 3.0], rtol=0.03)
    return Outcome(bool(holds), "kWh/day = " + ", ".join(f"{each:.2f}" for each in values))


@_case("3.2.2")
def degree_days_of_a_bill_are_means_of_its_days() -> Outcome:
    """HDD of a bill is the mean over its days of max(base − T, 0)."""
    usage = month_bills()
    found = float(degree_days(usage, np.array([14.0]))[0][0, 0])
    wanted = float(np.maximum(14.0 - temperatures()[:31], 0.0).mean())
    return expect(found, wanted, digits=9, unit=" °C·d/day, January at 14 °C")


@_case("3.3.2.1")
def balance_points_are_searched_from_30_to_90_fahrenheit() -> Outcome:
    """The grid covers 30–90 °F in steps of at most 3 °F."""
    grid = CALTRACK_BASES_DEGC * 1.8 + 32.0
    step = float(np.diff(grid).max())
    return Outcome(
        grid[0] <= 31.0 and grid[-1] >= 89.0 and step <= 3.0, f"{grid[0]:.1f} to {grid[-1]:.1f} °F, step {step:.1f}"
    )


@_case("3.3.4.1")
def a_balance_point_needs_days_and_degree_days() -> Outcome:
    """A balance point with under 10 days, or under 20 degree days, of its kind is no candidate."""
    temps = np.full(730, 22.0) + np.random.default_rng(4).normal(0.0, 0.5, 730)
    # One day too few for a base between warm and cold.
    temps[40:49] = 5.0
    energy = load(temps)
    fit = fitted(days(energy, temps), model="caltrack")
    bases = fit.balance_points_degc
    holds = MIN_DAYS == 10 and MIN_DEGREE_DAYS == 20.0 and bases.get("heating", 99.0) > 19.0
    return Outcome(holds, f"nine cold days of a warm year allow no heating base among them; chosen {fit.model}")


@_case("3.3.4.2")
def coefficients_are_positive() -> Outcome:
    """A model whose slope or intercept is not above zero is disqualified by name."""
    temps = temperatures()
    energy = 150.0 - 2.0 * np.maximum(14.0 - temps, 0.0) + np.random.default_rng(5).normal(0.0, 2.0, 730)
    found = fit_usage(days(energy, temps), start=START, end=SPLIT, model="hdd_only")
    refused = isinstance(found, Finding)
    return Outcome(refused, "a load that falls with cold: no hdd_only model qualifies")


@_case("3.4.1")
def days_weigh_alike_and_bills_by_their_days() -> Outcome:
    """Days are fitted by ordinary least squares, bills by weights of their days."""
    daily, monthly = fitted(year(), model="caltrack"), fitted(month_bills())
    holds = set(daily.weights.tolist()) == {1.0} and monthly.weights.tolist()[:2] == [31.0, 28.0]
    design = monthly.design * np.sqrt(monthly.weights)[:, None]
    solved = np.linalg.lstsq(design, monthly.y * np.sqrt(monthly.weights), rcond=None)[0]
    return Outcome(holds and bool(np.allclose(solved, monthly.values, rtol=1e-6)), "weights 1 and 31, 28, …")


@_case("3.4.3.2")
def the_highest_adjusted_r2_wins() -> Outcome:
    """Of all candidates that qualify, the one with the highest adjusted R² is taken."""
    fit = fitted(year(), model="caltrack")
    scores = {str(each["model"]): each.get("r2_adj", float("-inf")) for each in fit.selection}
    best = max(scores, key=lambda name: float(str(scores[name])))
    return Outcome(best == fit.model, f"{fit.model}, adjusted R² {float(str(scores[best])):.4f} of {len(scores)} forms")


@_case("3.5.1")
def avoided_energy_is_expected_less_used() -> Outcome:
    """AEU of each period is n·(μ + βH·HDD + βC·CDD − UPD), and they add up to the saving."""
    usage = month_bills()
    fit = fitted(usage)
    found = savings(fit, usage, report_start=SPLIT, report_end=END, resamples=0)
    period = usage.between(SPLIT, END)
    length = period.frame["days"].to_numpy()
    line = fit.form.design(period) @ fit.values
    wanted = float((length * (line - period.frame["energy_kwh"].to_numpy() / length)).sum())
    return expect(found.savings_kwh if isinstance(found, Savings) else float("nan"), wanted, digits=6, unit=" kWh")


@_case("4.1.2")
def nothing_is_made_a_year_that_was_none() -> Outcome:
    """Savings of eight months are those of eight months."""
    usage = year()
    fit = fitted(usage)
    found = savings(fit, usage, report_start=SPLIT, report_end=date(2023, 9, 1), resamples=0)
    wanted = float(fit.predict(usage.between(SPLIT, date(2023, 9, 1))).sum())
    return expect(found.expected_kwh if isinstance(found, Savings) else float("nan"), wanted, digits=6, unit=" kWh")


@_case("Appendix 3.3.1.2")
def the_day_of_the_week_is_offered_and_must_earn_its_place() -> Outcome:
    """Weekend and weekday terms are candidates, taken only where months not fitted are predicted better."""
    temps = temperatures()
    plain = load(temps)
    off = np.array([(START + timedelta(days=i)).weekday() >= 5 for i in range(730)])
    without, with_weekend = fitted(days(plain, temps)), fitted(days(np.where(off, 0.6 * plain, plain), temps))
    names = [each.form.terms if isinstance(each.form, LinearForm) else () for each in (without, with_weekend)]
    has = [any("week" in term or "day_off" in term for term in terms) for terms in names]
    return Outcome(has == [False, True], "no week in the load: no term; weekends 40 % lower: a term")
