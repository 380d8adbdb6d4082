"""Cases of savings and their uncertainty: ASHRAE Guideline 14, CalTRACK and IPMVP (formulas 5.2, 5.5)."""

from assets.kpi.enpi.savings_band import (
    caltrack_fsu,
    correction,
    effective_observations,
    fractional_savings_uncertainty,
    portfolio_fsu,
    savings_uncertainty_kwh,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from ml.baselines.savings.minimum_detectable import minimum_detectable
from ml.baselines.savings.savings import IpmvpOption, Savings, check_request, savings
from ml.baselines.savings.savings_typical import normalised_savings
from ml.conformance.case import Number, Outcome, Register, expect
from ml.conformance.data import END, SPLIT, fitted, year

SAVINGS = Register("ASHRAE Guideline 14")
_case = SAVINGS.case


def _fsu_percent(rho1: float, confidence: float) -> float:
    """FSU in percent of formulas 5.5's example: n = m = 365, CV(RMSE) 10 %, twelve months, a tenth saved."""
    # t is 1.649 at 90 % and 0.996 at 68 %, on 363 degrees of freedom.
    half = savings_uncertainty_kwh(
        expected_kwh=1.0, cvrmse=0.10, rho1=rho1, n=365, m=365, months=12, confidence=confidence, n_params=2
    )
    return 100.0 * (fractional_savings_uncertainty(half, 0.10) or 0.0)


SAVINGS.numbers(
    Number("n′", "correlated_points_count_less", "n′ = 365·(1 − 0.5)/(1 + 0.5) = 121.67",
        lambda: effective_observations(365, 0.5), 121.67, digits=2),
    Number("k", "the_correction_of_twelve_months_of_days",
        "The factor k is −0.00024·12² + 0.03535·12 + 1.00286 = 1.3925",
        lambda: correction("daily", 12), 1.3925, digits=4),
    Number("k, bills", "the_correction_of_twelve_months_of_bills",
        "The factor k is −0.00022·12² + 0.03306·12 + 0.94054 = 1.3056",
        lambda: correction("billing", 12), 1.3056, digits=4),
    Number("k, hours", "the_correction_of_hours", "The factor k is 1.26",
        lambda: correction("hourly", 12), 1.26, digits=4),
    Number("FSU at 90 %, ρ 0.5", "fsu_at_ninety_percent",
        "With n = m = 365, ρ = 0.5, CV(RMSE) 10 %, M = 12, F = 10 %: 21.0 %",
        lambda: _fsu_percent(0.5, 0.90), 21.0, digits=1, unit=" %"),
    Number("FSU at 68 %, ρ 0.5", "fsu_at_sixty_eight_percent", "The same at 68 %: 12.7 %",
        lambda: _fsu_percent(0.5, 0.68), 12.7, digits=1, unit=" %"),
    Number("FSU at 90 %, ρ 0", "fsu_without_correlation", "The same at 90 % with ρ = 0: 12.1 %",
        lambda: _fsu_percent(0.0, 0.90), 12.1, digits=1, unit=" %"),
)  # fmt: skip


@_case("n′, ρ below 0")
def alternating_residuals_are_not_credited() -> Outcome:
    """The band of a saving never takes n′ above n."""
    usage = year()
    fit = fitted(usage)
    found = savings(fit, usage, report_start=SPLIT, report_end=END, resamples=0)
    band = found.band if isinstance(found, Savings) else None
    holds = band is not None and band.n_effective <= band.n
    reason = "the formula as printed lets n′ exceed n for ρ < 0; with a dozen bills that is an artefact of the fit"
    return Outcome(
        holds, "" if band is None else f"ρ {band.rho1:+.3f}: n′ {band.n_effective:.1f} of n {band.n}", reason
    )


@_case("stated band")
def the_stated_band_agrees_with_the_form_on_a_full_year() -> Outcome:
    """Over a full year exact algebra and ΔE differ by less than a tenth."""
    usage = year()
    found = savings(fitted(usage), usage, report_start=SPLIT, report_end=END, resamples=0)
    ratio = found.uncertainty_kwh / found.band.delta_e if isinstance(found, Savings) else float("nan")
    return Outcome(0.9 <= ratio <= 1.1, f"stated / ΔE = {ratio:.3f}")


@_case("4.3.2.4", standard="CalTRACK 2.0")
def the_form_of_caltrack_is_the_same_number() -> Outcome:
    """t·k·CV·sqrt((P/P′)(1 + 2/P′)/Q)/F gives 21.0 % too."""
    found = caltrack_fsu(
        savings_fraction=0.10, cvrmse=0.10, rho1=0.5, n=365, m=365, months=12, confidence=0.90, n_params=2
    )
    return expect(100 * found, 21.0, digits=1, unit=" %")


SAVINGS.numbers(
    # Tools that count distinct calendar months stop at 12 here.
    Number("4.3.2.4.3", "months_are_those_of_the_report_and_not_capped",
        "M = 24 for two years of reporting: k = 1.7130",
        lambda: correction("daily", 24), 1.7130, digits=4, standard="CalTRACK 2.0"),
    Number("portfolio FSU", "a_portfolio_is_surer_than_its_meters", "sqrt(3² + 4²)/(50 + 50) = 5 %",
        lambda: 100 * (portfolio_fsu([3.0, 4.0], [50.0, 50.0]) or 0.0), 5.0, digits=9, unit=" %",
        standard="CalTRACK 2.0"),
)  # fmt: skip


@_case("portfolio FBE", standard="CalTRACK 2.0")
def the_bias_formula_with_two_units_is_no_gate() -> Outcome:
    """FBE = Σ MB²/Σ U_save is no number of ours."""
    return Outcome(
        holds=True,
        note="not computed",
        deviation="its numerator is energy squared, its denominator energy: no share of anything",
    )


@_case("no saving")
def without_a_saving_there_is_no_fraction() -> Outcome:
    """FSU of a saving at or below zero is not given; ΔE in energy is."""
    return Outcome(fractional_savings_uncertainty(10.0, -5.0) is None, "saving −5 kWh ± 10 kWh: FSU none")


@_case("sign", standard="IPMVP")
def savings_and_deviation_have_opposite_signs() -> Outcome:
    """The saving is expected − actual, delta is actual − expected."""
    usage = year()
    found = savings(fitted(usage), usage, report_start=SPLIT, report_end=END, resamples=0)
    holds = isinstance(found, Savings) and found.savings_kwh == -found.delta_kwh
    return Outcome(
        holds,
        f"savings {found.savings_kwh:+.1f}, delta {found.delta_kwh:+.1f} kWh" if isinstance(found, Savings) else "",
    )


@_case("options", standard="IPMVP")
def options_a_and_d_are_refused() -> Outcome:
    """Options B and C are computed, A and D refused with a sentence."""
    messages = []
    for option in (IpmvpOption.A, IpmvpOption.D):
        try:
            check_request(train_end=SPLIT, start=SPLIT, end=END, confidence=0.9, option=option)
        except BadInput as fault:
            messages.append(str(fault))
    return Outcome(len(messages) == 2, "; ".join(messages), "A and D are not implemented")


@_case("avoided energy and normalised savings", standard="IPMVP")
def a_typical_year_is_another_number() -> Outcome:
    """Avoided energy and normalised savings are two numbers with two names."""
    usage = year()
    fit = fitted(usage)
    found = savings(fit, usage, report_start=SPLIT, report_end=END, resamples=0)
    # The reporting year itself as the typical one: both numbers must then agree but for the second model's error.
    typical = usage.between(SPLIT, END)
    normal = normalised_savings(fit, usage, typical, report_start=SPLIT, report_end=END)
    if isinstance(found, Finding) or isinstance(normal, Finding):
        return Outcome(holds=False, note="no savings")
    holds = found.kind != normal.kind and abs(normal.savings_kwh - found.savings_kwh) < 0.01 * found.expected_kwh
    return Outcome(holds, f"{found.kind} {found.savings_kwh:+.1f}, {normal.kind} {normal.savings_kwh:+.1f} kWh")


@_case("option C, smallest saving", standard="IPMVP")
def the_smallest_detectable_saving_is_computed() -> Outcome:
    """Whether option C may be used is answered by FSU, not by a fixed 10 %."""
    found = minimum_detectable(fitted(year()), months=12, confidence=0.68, max_fsu=0.5)
    if isinstance(found, Finding):
        return Outcome(holds=False, note=found.message)
    return Outcome(0 < found.fraction < 0.1, f"{found.fraction:.2%} of the expected energy at 68 %, FSU 50 %")
