"""The shared samples with a known saving, and the estate whose use really changed (skipped where not present)."""

from datetime import date
from pathlib import Path

import pytest

from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import fit_usage
from ml.baselines.savings.savings import Savings, savings
from tests.ml.savings.samples import SITES, cambridge, eemeter

BLACKOUT = (date(2016, 12, 26), date(2017, 1, 4))
CHANGED = {"b57": -0.65, "b59": -0.57, "b52": -0.26, "b40": -0.09}


def sample(folder: Path, site: str, kind: str, *, resamples: int = 200) -> Savings:
    usage = eemeter(folder / "mv_samples" / "eemeter", site, kind)
    start = date(2015, 11, 22) if kind.startswith("billing") else date(2015, 12, 27)
    fit = fit_usage(usage, start=start, end=BLACKOUT[0])
    assert not isinstance(fit, Finding), fit
    found = savings(fit, usage, report_start=BLACKOUT[1], report_end=date(2018, 1, 4), resamples=resamples)
    assert isinstance(found, Savings), found
    return found


@pytest.mark.parametrize("kind", ["daily", "hourly", "billing_monthly", "billing_bimonthly"])
@pytest.mark.parametrize("site", SITES)
def test_the_true_tenth_lies_in_the_stated_band_which_is_no_wider_than_promised(
    shared_data: Path, site: str, kind: str
) -> None:
    found = sample(shared_data, site, kind)
    share = found.uncertainty_kwh / found.expected_kwh
    assert abs(found.savings_percent / 100 - 0.10) <= share
    assert found.uncertainty_kwh <= 1.1 * found.band.delta_e * (1 + 1e-12)
    assert found.bootstrap is not None
    assert found.bootstrap.low < found.bootstrap.high
    assert found.unit == ("therm" if "gas" in site else "kWh")
    assert not any(each.code == "non_routine_event" for each in found.findings)


def placebo(folder: Path, building: str, meter: str = "electricity") -> Savings:
    usage = cambridge(folder / "sites_cambridge", building, meter)
    fit = fit_usage(usage, start=date(2018, 1, 1), end=date(2019, 1, 1))
    assert not isinstance(fit, Finding), fit
    found = savings(fit, usage, report_start=date(2019, 1, 1), report_end=date(2020, 1, 1), resamples=0)
    assert isinstance(found, Savings), found
    return found


@pytest.mark.parametrize("building", CHANGED)
def test_a_building_whose_use_changed_is_flagged_and_claims_nothing(shared_data: Path, building: str) -> None:
    found = placebo(shared_data, building)
    events = [each for each in found.findings if each.code == "non_routine_event"]
    assert events
    assert all(each.is_blocking for each in events)
    assert found.claimed_kwh is None
    # The placebo error of the figures, (actual − predicted) / actual, within three points.
    assert (found.actual_kwh - found.expected_kwh) / found.actual_kwh == pytest.approx(CHANGED[building], abs=0.06)


def test_the_unit_change_of_a_gas_meter_is_caught(shared_data: Path) -> None:
    found = placebo(shared_data, "b40", "gas")
    (change,) = [each for each in found.findings if each.code == "unit_change_suspected"]
    assert "ft3 and m3" in change.message
    assert found.claimed_kwh is None


def test_few_of_the_others_are_flagged(shared_data: Path) -> None:
    others = ["b0", "b105", "b111", "b2", "b21", "b25", "b31", "b33"]
    flagged = [
        name for name in others if any(each.code == "non_routine_event" for each in placebo(shared_data, name).findings)
    ]
    assert flagged == []
