"""The levels of a use stand in the site file: what judges asks them, and a file without them means what it did."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.kpi.enpi.enpi_result import rule_of
from assets.sites.load_sites import site_sha256
from data_quality.contracts.baselines.baseline import StatusRule
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_period
from tests.life.factory import factory_site
from tests.life.test_alert_marts import alerts, months
from tests.life.world import Works


def with_rule(site: Site, **levels: object) -> Site:
    seus = tuple(seu.model_copy(update={"status_rule": StatusRule(**levels)}) for seu in site.seus)  # type: ignore[arg-type]
    return site.model_copy(update={"seus": seus})


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"warn_percent": 4.0, "crit_percent": 3.9}, "critical (3.9 %) begins below the warning (4 %)"),
        ({"warn_percent": -0.1}, "greater than or equal to 0"),
        ({"crit_percent": 100.1}, "less than or equal to 100"),
        ({"implausible_saving_percent": 1.0}, "less than or equal to 0"),
        ({"min_days_share": 1.1}, "less than or equal to 1"),
        ({"policy": "absolute"}, "Input should be"),
        ({"warn_precent": 3.0}, "Extra inputs"),
    ],
)
def test_levels_have_bounds(levels: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("(", r"\(").replace(")", r"\)")):
        StatusRule.model_validate(levels)


def test_bounds_themselves_are_levels() -> None:
    assert StatusRule(warn_percent=0, crit_percent=0).crit_percent == 0
    assert StatusRule(warn_percent=100, crit_percent=100).warn_percent == 100


def test_a_file_without_levels_is_the_file_that_it_was() -> None:
    site = factory_site()
    assert "status_rule" not in site.model_dump(mode="json")["seus"][0]
    assert site_sha256(with_rule(site)) == site_sha256(site)
    assert site_sha256(with_rule(site, warn_percent=2.0)) != site_sha256(site)
    assert rule_of(site.seus[0]).crit_percent == 5.0


def test_alerts_heed_the_levels(still: Works, tmp_path: Path) -> None:
    mild = replace(still, site=with_rule(still.site, warn_percent=6.0, crit_percent=7.0))
    found = [alerts(each, tmp_path, months([6.0] * 3)) for each in (still, mild)]
    assert found == [[("critical", "2025-Q1")], []]


def test_an_assessment_heeds_the_levels(still: Works) -> None:
    mild = with_rule(still.site, warn_percent=8.0, crit_percent=9.0)
    quarter = parse_period("2025-Q2", still.site.time_zone)
    assessments = [still.request("line", site=site).assess(quarter) for site in (still.site, mild)]
    assert [each.status for each in assessments] == ["warning", "compliant"]
    assert assessments[0].actual_kwh == assessments[1].actual_kwh
