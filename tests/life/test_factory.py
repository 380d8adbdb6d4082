"""The demo factory: known coefficients come back, a fit is quick, and the improvement of 2025 is found."""

import time

import polars as pl
import pytest

from assets.kpi.enpi.daily import expected_days
from assets.kpi.enpi.enpi_result import EnpiResult, day_pairs, enpi_for
from controls.simulator.worlds.generate import SEED
from data_quality.contracts.baselines.baseline import Baseline, BaselineStatus, BaselineVersion
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_period
from tests.life.factory import TRUTH, factory_days, factory_site, fit_year, true_coefficients
from tests.life.world import NOW

USES = ("compressors", "hvac", "production_line")
# The demo takes about 0.1 s; a machine under load may take longer.
MOST_SECONDS = 2.0


@pytest.fixture(scope="module")
def site() -> Site:
    """The demo's factory."""
    return factory_site()


@pytest.fixture(scope="module")
def years(site: Site) -> dict[int, dict[str, pl.DataFrame]]:
    """Daily tables of the demo's two years."""
    return {year: factory_days(site, year, seed=SEED) for year in (2024, 2025)}


@pytest.fixture(scope="module")
def fits(site: Site, years: dict[int, dict[str, pl.DataFrame]]) -> dict[str, Baseline]:
    """The baselines of 2024 with 95 % intervals."""
    return {seu.seu_id: fit_year(site, seu, years[2024][seu.seu_id]) for seu in site.seus}


@pytest.mark.parametrize("seu_id", USES)
def test_the_true_coefficients_lie_in_their_stated_95_percent_intervals(fits: dict[str, Baseline], seu_id: str) -> None:
    truth, made = true_coefficients(seu_id), fits[seu_id]
    assert made.confidence == 0.95
    for term in made.coefficients:
        kind = next((name for name in ("hdd", "cdd") if f".{name}_" in term.name), term.name)
        assert term.ci_low <= truth[kind] <= term.ci_high, (term.name, truth[kind])


def test_a_fit_of_a_year_takes_less_than_two_seconds(
    site: Site, years: dict[int, dict[str, pl.DataFrame]], fits: dict[str, Baseline]
) -> None:
    assert fits  # statsmodels is imported by then
    seu = next(each for each in site.seus if each.seu_id == "hvac")
    started = time.process_time()
    fit_year(site, seu, years[2024]["hvac"])
    assert time.process_time() - started < MOST_SECONDS


@pytest.mark.parametrize("seu_id", USES)
def test_the_improvement_of_2025_is_found_within_its_stated_uncertainty(
    years: dict[int, dict[str, pl.DataFrame]], fits: dict[str, Baseline], seu_id: str
) -> None:
    found = assessed(years, fits[seu_id], seu_id)
    assert found.uncertainty_kwh is not None
    low, high = 1.0 - TRUTH.improvement_high, 1.0 - TRUTH.improvement_low
    expected, saved = float(found.expected_kwh), float(found.savings_kwh)
    # The factor of each machine and month is drawn between the two: so is the truth of a year.
    assert low * expected - found.uncertainty_kwh < saved < high * expected + found.uncertainty_kwh
    assert (found.significant, found.status) == (True, "compliant")


def assessed(years: dict[int, dict[str, pl.DataFrame]], made: Baseline, seu_id: str) -> EnpiResult:
    days = years[2025][seu_id]
    version = BaselineVersion(
        baseline_id=f"factory/{seu_id}/enb",
        version=1,
        status=BaselineStatus.APPROVED,
        mlflow_run_id="r",
        model_checksum="0" * 64,
        fitted_by="ben",
        fitted_at_utc=NOW,
        baseline=made,
    )
    return enpi_for(
        day_pairs(days, expected_days(made, days)),
        seu_id=seu_id,
        version=version,
        period=parse_period("2025", "Europe/Berlin"),
    )
