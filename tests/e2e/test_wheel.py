"""A wheel holds all that the packages read, and what is installed from it runs without a checkout."""

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.installed import PACKAGES, Installed, build, install, tracked

CSV = "timestamp,kwh\n" + "".join(
    f"2025-01-{day:02}T{hour:02}:{minute:02}:00Z,0.25\n"
    for day in range(1, 32)
    for hour in range(24)
    for minute in (0, 15, 30, 45)
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment with the wheel."""
    return install(wheel, tmp_path_factory.mktemp("installed") / "venv")


def test_the_wheel_holds_every_tracked_file_of_the_packages_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == tracked(*PACKAGES)


def test_the_wheel_names_its_licence_and_holds_its_text(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
        licence = archive.read(metadata.replace("METADATA", "licenses/LICENSE"))
    assert re.search(r"(?m)^License-Expression: Apache-2.0$", text)
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_what_is_installed_makes_figures_of_readings_outside_the_checkout_and_writes_nothing_into_its_packages(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "hall.csv").write_text(CSV)
    installed.run("init", "plant", "--from", "hall.csv", "--tz", "UTC", folder=tmp_path)
    installed.run("ingest", "hall.csv", "--site", "plant", "--project", "plant", folder=tmp_path)
    asked = ("kpis", "--site", "plant", "--period", "2025-01", "--project", "plant", "--json")
    rows = json.loads(installed.run(*asked, folder=tmp_path))["rows"]
    used = {row["scope"]: row["value"] for row in rows if row["kpi"] == "consumption_kwh"}
    assert used["site:plant"] == pytest.approx(31 * 24)
    checks = json.loads(installed.run("doctor", "--project", "plant", "--json", folder=tmp_path))["checks"]
    assert "fail" not in {each["status"] for each in checks}
    installed.run("demo", "--files-only", "--until", "2026-01-01", "--out", "demo", folder=tmp_path)
    assert {path.stem for path in (tmp_path / "demo" / "sites").glob("*.yaml")} >= {"factory", "home", "tower"}
    assert installed.written() == set()


def test_dagster_is_given_the_workspace_that_people_find_at_the_top_of_the_checkout() -> None:
    texts = [path.read_text() for path in (ROOT / "workspace.yaml", ROOT / "orchestration/instance/workspace.yaml")]
    own, given = ([line for line in text.splitlines() if not line.startswith("#")] for text in texts)
    assert own == given
