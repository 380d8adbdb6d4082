"""Targets for emissions: what a file states, held against the inventory's own figure; of a group those of its file."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.disclosure import Datum
from data_quality.contracts.site_file.budgets import EmissionTarget
from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.recompute.figure import recompute
from reports.report_content import ReportContent
from tests.reports import year_world
from tests.reports.test_group_report import FIELDS, content_of
from tests.reports.year_world import Year

# 42 % less than 1,000 t: 580 t are left, and 420 t are promised.
TARGET: dict[str, Any] = {
    "target": "less", "name": "Halbe Sache", "measure": "total_market_kgco2e", "base_year": 2021,
    "base_kgco2e": 1_000_000, "reduction_percent": 42, "target_year": 2030, "source": "Vorstand",
    "stated_on": "2022-05-01",
}  # fmt: skip
OVER = TARGET | {"target": "over", "target_year": 2024}


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    made = year_world.make_year(tmp_path_factory.mktemp("targets"), site=year_world.year_site(targets=(TARGET, OVER)))
    yield made
    year_world.close(made)


def of_site(year: Year, pack: str, language: str = "") -> ReportContent:
    return template_report(load_template(pack), replace(year.given("2025"), language=language))


def datum(content: ReportContent, key: str) -> Datum:
    [found] = [each for each in content.data if each.key == key]
    return found


def all_again(year: Year, content: ReportContent) -> None:
    by_id, sources = {each.figure_id: each for each in content.figures}, year.sources()
    for each in content.figures:
        assert recompute(each, sources=sources, lookup=by_id.get) == each.value, each.path


def test_progress_is_worked_out_of_the_inventorys_own_figure(year: Year) -> None:
    content = of_site(year, "vision_2050plus")
    actual = datum(content, "V-1.1/metered").value
    assert isinstance(actual, Decimal)
    assert datum(content, "V-1.2/base").value == 1000
    tonnes = Decimal(1000) - actual
    assert datum(content, "V-1.2/reached").value == pytest.approx(tonnes / 420 * 100)
    assert datum(content, "V-1.2/change").value == pytest.approx(-tonnes / 10)
    # No second figure of the same tonnes.
    assert [each.path for each in content.figures if each.kpi == "actual_kgco2e"] == []
    all_again(year, content)


def test_words_of_a_target_are_said_in_the_reports_language_and_one_that_is_over_is_not_said(year: Year) -> None:
    for language, aim in (("en", "42% less by 2030 than in 2021"), ("de", "42\u00a0% weniger bis 2030 als 2021")):
        content = of_site(year, "ifrs_s2", language)
        assert str(datum(content, "33(b)").value).replace("42 %", "42\u00a0%") == aim
        assert datum(content, "36(b)").value == "1, 2"
        assert [each.item for each in content.data if each.id == "35"] == ["Halbe Sache"]


def test_a_group_has_its_own_targets_and_not_those_of_its_sites(year: Year) -> None:
    assert (
        datum(content_of(year, Organisation.model_validate(FIELDS), "vision_2050plus"), "V-1.2/base").source
        == "missing"
    )
    group = Organisation.model_validate(FIELDS | {"targets": [TARGET | {"base_kgco2e": 500_000, "target": "own"}]})
    content = content_of(year, group, "vision_2050plus")
    actual = datum(content, "V-1.1/metered").value
    assert isinstance(actual, Decimal)
    assert datum(content, "V-1.2/base").value == 500
    assert datum(content, "V-1.2/reached").value == pytest.approx((500 - actual) / 210 * 100)
    all_again(year, content)


def test_a_file_without_targets_keeps_its_digest() -> None:
    group = Organisation.model_validate(FIELDS)
    assert "targets" not in group.model_dump(mode="json")
    assert "targets" not in year_world.year_site().model_dump(mode="json")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"target_year": 2021}, "'less': 2021 is not after the base year 2021"),
        ({"reduction_percent": 0.42}, "'less': 0.42 %: a share? Then write 42"),
    ],
)
def test_a_target_that_cannot_be_meant_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match="less") as fault:
        EmissionTarget.model_validate(TARGET | changed)
    assert words in str(fault.value)


def test_two_targets_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="less"):
        Organisation.model_validate(FIELDS | {"targets": [TARGET, TARGET]})
