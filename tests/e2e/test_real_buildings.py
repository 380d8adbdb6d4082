"""The same line on real meters: two university buildings, hourly, zeros that mean missing."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Meterloom

SITE = Path(__file__).parent / "cambridge.yaml"
# Libraries have notices of their own, as a user's Python treats them.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def project(shared_data: Path, meterloom: Meterloom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with four years of two buildings and their weather in the lake, and baselines fitted on 2018."""
    folder = tmp_path_factory.mktemp("cambridge") / "project"
    data = shared_data / "sites_cambridge"
    steps: list[list[str]] = [
        ["init", str(folder), "--site", str(SITE)],
        [
            "ingest",
            str(data / "meters_hourly.parquet"),
            str(data / "weather_bedford_hourly.parquet"),
            "--site",
            "cambridge",
            "--project",
            str(folder),
        ],
        ["baseline", "fit", "--site", "cambridge", "--as", "me", "--project", str(folder)],
    ]
    for step in steps:
        code, _, error = meterloom(*step)
        assert code == 0, error
    return folder


def fitted(meterloom: Meterloom, project: Path, building: str) -> dict[str, Any]:
    """The newest baseline of a building."""
    _, answer, error = meterloom("baseline", "show", f"cambridge/{building}/enb", "--project", str(project))
    assert answer is not None, error
    found: dict[str, Any] = answer["baselines"][0]
    return found


def test_kpis_of_a_real_year_hold_together(project: Path, meterloom: Meterloom) -> None:
    _, months, error = meterloom("kpis", "--site", "cambridge", "--period", "2019", "--project", str(project))
    assert months is not None, error
    _, year, _ = meterloom(
        "kpis", "--site", "cambridge", "--period", "2019", "--grain", "year", "--project", str(project)
    )

    def total(answer: Any, scope: str) -> float:
        return sum(r["value"] for r in answer["rows"] if (r["kpi"], r["scope"]) == ("consumption_kwh", scope))

    assert total(months, "meter:b25") == pytest.approx(total(year, "meter:b25"), rel=1e-12)
    assert total(year, "site:cambridge") == pytest.approx(
        total(year, "meter:b25") + total(year, "meter:b31"), rel=1e-12
    )


@pytest.mark.parametrize("building", ["b25", "b31"])
def test_a_real_baseline_predicts_days_it_has_not_seen(project: Path, meterloom: Meterloom, building: str) -> None:
    found = fitted(meterloom, project, building)
    assert found["n"] > 330
    assert found["cvrmse_out_of_sample"] < 0.2
    assert abs(found["nmbe_out_of_sample"]) < 0.02
    assert found["is_synthetic"] is False


def test_the_report_is_a_draft_until_somebody_else_approves(project: Path, meterloom: Meterloom) -> None:
    report = ["report", "enpi_quarter", "--site", "cambridge", "--period", "2019-Q1", "--project", str(project)]
    _, draft, error = meterloom(*report)
    assert draft is not None, error
    assert draft["status"] == "draft"
    for building in ("b25", "b31"):
        approve = [
            "baseline",
            "approve",
            f"cambridge/{building}/enb",
            "--reason",
            "looked at",
            "--project",
            str(project),
        ]
        blocking = [f["code"] for f in fitted(meterloom, project, building)["findings"] if f["severity"] == "blocking"]
        waivers = [word for code in blocking for word in ("--waive", f"{code}=known outage")]
        code, _, error = meterloom(*approve, "--as", "me", *waivers)
        assert code == 2, "whoever fitted must not approve"
        code, _, error = meterloom(*approve, "--as", "colleague", *waivers)
        assert code == 0, error
    code, final, error = meterloom(*report)
    assert code == 0, error
    assert final["revision"] == 2
    assert "synthetic_data" not in final["against_publication"]
    for figure in [f for f in final["figures"] if f["value"] is not None][::40]:
        _, traced, _ = meterloom("trace", figure["figure_id"], "--project", str(project))
        assert traced["is_equal"], figure["label"]


def test_a_real_forecast_beats_last_week(project: Path, meterloom: Meterloom) -> None:
    code, answer, error = meterloom("forecast", "issue", "--site", "cambridge", "--project", str(project))
    assert code == 0, error
    assert {forecast["target"] for forecast in answer["forecasts"]} == {"meter:b25", "meter:b31"}
    for forecast in answer["forecasts"]:
        assert len(forecast["rows"]) == 48
        assert all(row["p10"] <= row["p50"] <= row["p90"] for row in forecast["rows"])
