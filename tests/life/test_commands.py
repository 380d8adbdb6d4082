"""The commands of a baseline's life, as users script against them."""

import json
import shutil
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.transactions import open_store
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from ml.baselines.lifecycle.monitor_site import monitor_rows
from ml.baselines.lifecycle.monitoring import fit_monitoring
from orchestration.cli.main import build_app
from tests.life.world import NOW, Works

RUNNER = CliRunner()
MODULES = ("init", "baseline", "enpi", "seu", "keys")
PEOPLE = {
    "people": [
        {"person_id": "anna", "name": "Anna", "roles": ["approver"]},
        {"person_id": "ben", "name": "Ben", "roles": ["analyst"]},
        {"person_id": "carl", "name": "Carl", "roles": ["analyst", "approver"]},
    ]
}
ADJUST = (
    "--from", "2025-04-01", "--to", "2025-07-01", "--reason", "third shift", "--method", "submeter",
    "--evidence", "work order 4711",
)  # fmt: skip


def call(folder: Path, *words: str, code: int = 0) -> Any:
    """The command's JSON, or its sentence where it is refused."""
    result = RUNNER.invoke(build_app(MODULES), [*words, "--project", str(folder), "--json"])
    assert result.exit_code == code, (result.stdout, result.stderr)
    return json.loads(result.stdout) if result.stdout.strip() else result.stderr


@pytest.fixture
def folder(made: tuple[Path, Works], tmp_path: Path) -> Path:
    """A project folder with the works' site, people, lake and store."""
    return project_folder(made[0], [made[1].site], tmp_path / "p")


def project_folder(source: Path, sites: Sequence[Site], project: Path) -> Path:
    """A project of these sites over the lake and a copy of the store of another folder."""
    assert RUNNER.invoke(build_app(MODULES), ["init", str(project)]).exit_code == 0
    settings = load_project(project, {})
    for path in settings.sites_dir.glob("*.yaml"):
        path.unlink()
    yaml = YAML(typ="safe")
    for site in sites:
        with (settings.sites_dir / f"{site.site_id}.yaml").open("w") as file:
            yaml.dump(json.loads(site.model_dump_json(exclude_defaults=True)), file)
    with settings.people_file.open("w") as file:
        yaml.dump(PEOPLE, file)
    settings.lake_dir.parent.mkdir(parents=True, exist_ok=True)
    settings.lake_dir.symlink_to(source / "lake", target_is_directory=True)
    store = Path(settings.store_url.removeprefix("sqlite:///"))
    store.parent.mkdir(parents=True, exist_ok=True)
    for path in source.glob("store.db*"):
        shutil.copy(path, store.with_name(path.name.replace("store.db", store.name)))
    return project


def test_an_adjustment_is_proposed_approved_by_another_and_shown(folder: Path) -> None:
    line = ("enpi", "--site", "works", "--seu", "line", "--period", "2025-Q2")
    before = call(folder, *line)
    proposed = call(folder, "baseline", "adjust", "works/line/enb", "--percent", "2", *ADJUST, "--as", "carl")
    name = proposed["adjustments"][0]["id"]
    assert proposed["baselines"][0]["id"] == "works/line/enb"
    own = call(folder, "baseline", "adjust", "--approve", name, "--reason", "ok", "--as", "carl", code=2)
    assert "cannot approve it" in own
    assert call(folder, *line)["expected_kwh"] == before["expected_kwh"]
    call(folder, "baseline", "adjust", "--approve", name, "--reason", "ok", "--as", "anna")
    after = call(folder, *line)
    assert after["expected_kwh"] == pytest.approx(1.02 * before["expected_kwh"], rel=1e-12)
    assert after["adjustment_kwh"] == pytest.approx(0.02 * before["expected_kwh"], rel=1e-9)
    (listed,) = call(folder, "baseline", "adjustments", "--site", "works")["adjustments"]
    assert (listed["status"], listed["approved_by"], listed["percent"]) == ("approved", "anna", 2.0)
    shown = call(folder, "baseline", "show", "works/line/enb")["baselines"][0]
    assert [each["id"] for each in shown["adjustments"]] == [name]
    assert len(shown["coefficients"]["product_a"]["ci95"]) == 2
    # The four eyes of a version, in the JSON and for people.
    output = RUNNER.invoke(build_app(MODULES), ["baseline", "show", "works/line/enb", "--project", str(folder)]).stdout
    assert shown["fitted_by"] != shown["approved_by"]
    assert f"; fitted by {shown['fitted_by']} on " in output
    assert f", approved by {shown['approved_by']} on " in output
    call(folder, "baseline", "adjust", "--withdraw", name, "--reason", "never came", "--as", "anna")
    assert call(folder, *line)["expected_kwh"] == before["expected_kwh"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["works/line/enb", *ADJUST], "kwh_per_day or percent"),
        (["works/line/enb", "--percent", "x", *ADJUST], "expected a number"),
        (["works/line/enb", "--percent", "inf", *ADJUST], "finite"),
        (["works/line/enb", "--kwh-per-day", "1e400", *ADJUST], "1000000000 or less"),
        (["works/line/enb", "--kwh-per-day", "5"], "--from: expected a date"),
        (["works/none/enb", "--kwh-per-day", "5", *ADJUST], "unknown baseline"),
        (["--approve", "x", "--withdraw", "y"], "are given alone"),
        ([], "needs a BASELINE"),
        (["works/line/enb", "--kwh-per-day", "5", *ADJUST, "--evidence-file", "/none"], "expected a file"),
    ],
)
def test_a_wrong_adjustment_is_one_sentence_and_exit_code_2(folder: Path, words: list[str], message: str) -> None:
    assert message in call(folder, "baseline", "adjust", *words, "--as", "ben", code=2)


def test_the_evidence_file_is_named_by_its_hash(folder: Path, tmp_path: Path) -> None:
    paper = tmp_path / "order.txt"
    paper.write_text("third shift from April")
    words = [*ADJUST[:-2], "--kwh-per-day", "12.5", "--evidence-file", str(paper), "--routine", "--as", "ben"]
    (found,) = call(folder, "baseline", "adjust", "works/line/enb", *words)["adjustments"]
    assert (found["evidence"], len(found["evidence_sha256"]), found["kind"]) == ("order.txt", 64, "routine")


def test_an_enpi_tells_alerts_trend_what_if_and_mix_beside_its_keys(folder: Path) -> None:
    found = call(
        folder, "enpi", "--site", "works", "--seu", "packing", "--period", "2025-Q3", "--trend",
        "--what-if", "product_a=+5%", "--mix", "product_a=1,product_b=1", "--baseline-version", "1",
    )  # fmt: skip
    contract = {
        "actual_kwh", "expected_kwh", "enpi", "deviation_percent", "status", "performance", "significant",
        "review_flags", "months",
    }  # fmt: skip
    assert contract <= set(found)
    assert [each["kind"] for each in found["alerts"]] == ["critical", "escalation"]
    assert found["review_flags"] == ["baseline_review_due"]
    assert [each["label"] for each in found["trend"]][-1] == "2025-Q3"
    assert found["what_if"]["change_kwh"] > 0
    assert found["mix"]["method"].startswith("reference mix")
    text = RUNNER.invoke(
        build_app(MODULES),
        ["enpi", "--site", "works", "--seu", "packing", "--period", "2025-Q3", "--project", str(folder)],
    )
    assert "the 2. quarter in a row" in text.stdout
    assert "unknown version 7" in call(
        folder, "enpi", "--site", "works", "--seu", "line", "--period", "2025", "--baseline-version", "7", code=2
    )


def test_a_shadow_run_changes_no_baseline_and_uses_are_listed(folder: Path) -> None:
    found = call(folder, "baseline", "shadow", "--site", "works", "--as", "ben")
    assert [each["is_equal"] for each in found["comparisons"]] == [True, True]
    versions = call(folder, "baseline", "list", "--site", "works")["baselines"]
    assert [(each["id"], each["version"]) for each in versions] == [("works/line/enb", 1), ("works/packing/enb", 1)]
    uses = call(folder, "seu", "list", "--source", "electricity", "--active")
    assert [(each["id"], each["baseline"], each["last_report"]) for each in uses["seus"]] == [
        ("line", "works/line/enb v1 approved", None),
        ("packing", "works/packing/enb v1 approved", None),
    ]
    assert uses["sources"] == ["electricity"]


def test_a_project_is_planned_fitted_and_approved_by_commands(folder: Path) -> None:
    words = ("baseline", "project", "works/drive")
    assert call(folder, *words)["savings"] is None
    fitted = call(folder, *words, "--fit", "--as", "carl")
    assert fitted["savings"]["claimed_kwh"] is None
    own = call(folder, "baseline", "approve", "works/drive/mv_project", "--reason", "ok", "--as", "carl", code=2)
    assert "cannot approve it" in own
    call(folder, "baseline", "approve", "works/drive/mv_project", "--reason", "ok", "--as", "anna")
    found = call(folder, *words)["savings"]
    assert found["claimed_kwh"] == pytest.approx(0.1 * found["expected_kwh"], rel=0.05)


def test_monitoring_without_recent_readings_has_a_finding_and_no_number(folder: Path) -> None:
    found = call(folder, "baseline", "monitor", "--site", "works", "--seu", "line", code=1)
    assert found["rows"] == []
    assert found["findings"][0]["code"] == "too_few_days"


def test_monitoring_as_known_then_shows_quarter_hours_beside_their_prediction(folder: Path, still: Works) -> None:
    seu, window = still.site.seus[0], (date(2025, 10, 3), date(2026, 1, 1))
    made = fit_monitoring(
        monitor_rows(still.lake, still.site, seu, *window),
        site=still.site, seu=seu, start=window[0], end=window[1], lake_digest="d",
    )  # fmt: skip
    assert isinstance(made, Baseline)
    store = open_store(load_project(folder, {}).store_url)
    BaselineStore(store).add(made, "run", "7" * 64, "meterloom", FixedClock(NOW + timedelta(hours=1)))
    store.close()
    words = ("baseline", "monitor", "--site", "works", "--seu", "line")
    found = call(folder, *words, "--as-of", "2026-01-06T00:00:00Z")
    assert len(found["rows"]) == 96 * 2
    assert {"start_utc", "actual_kw", "expected_kw", "residual_kw", "z", "is_alert"} <= set(found["rows"][0])
    assert found["baselines"][0]["type"] == "monitoring"
    assert "no monitoring baseline" in call(folder, *words, "--as-of", "2026-01-05T12:30:00Z", code=2)
    never = call(folder, "baseline", "approve", "works/line/monitoring", "--reason", "x", "--as", "anna", code=2)
    assert "never approved" in never
