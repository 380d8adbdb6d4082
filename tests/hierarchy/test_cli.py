"""`meterloom meters`: discovery proposes, a named engineer accepts, the site file says so; nothing happens silently."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.sites.load_sites import load_site
from assets.sites.patch import with_parent
from data_quality.contracts.errors import BadInput
from orchestration.cli.main import build_app
from tests.hierarchy.trees import random_tree
from tests.web.test_signed_acts import SHELL, killed

SITE = """# Keep me.
site_id: plant
name: Plant
time_zone: UTC
currency: EUR
country: DE
meters:
  - {meter_id: root0, name: "Main, hall"}  # incomer
  - meter_id: group0
    name: Hall
  - {meter_id: leaf0}
  - {meter_id: leaf1}
  - {meter_id: rest, formula: root0 - group0}
column_maps:
  - match: "*.csv"
    timestamp: t
    zone: UTC
    unit: kwh
    interval_minutes: 60
    values: {root0: root0, group0: group0, leaf0: leaf0, leaf1: leaf1}
"""
PEOPLE = """people:
  - {person_id: carla, name: Carla, roles: [engineer]}
  - {person_id: ben, name: Ben, roles: [analyst]}
"""


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(("init", "ingest", "meters")), [*arguments, "--project", str(folder)])
    return result.exit_code, result.stdout, result.stderr


def answer(folder: Path, *arguments: str) -> dict[str, object]:
    code, out, error = run(folder, *arguments, "--json")
    assert code == 0, error
    found: dict[str, object] = json.loads(out)
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with fifty days of a tree whose parents nobody has declared."""
    base = tmp_path_factory.mktemp("meters")
    folder = base / "p"
    (base / "plant.yaml").write_text(SITE)
    tree = random_tree(2, days=50, leaves=2, groups=1, missing=0.0)
    wide = tree.readings().pivot("meter_id", index="interval_start_utc", values="value")
    data = wide.with_columns(t=pl.col("interval_start_utc").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).drop(
        "interval_start_utc"
    )
    data.select("t", pl.exclude("t")).write_csv(base / "tree.csv")
    result = CliRunner().invoke(
        build_app(("init", "ingest")), ["init", str(folder), "--site", str(base / "plant.yaml")]
    )
    assert result.exit_code == 0, result.output
    (folder / "people.yaml").write_text(PEOPLE)
    code, _, error = run(folder, "ingest", str(base / "tree.csv"), "--site", "plant")
    assert code == 0, error
    return folder


def test_discovery_changes_nothing(project: Path) -> None:
    before = (project / "sites" / "plant.yaml").read_bytes()
    found = answer(project, "meters", "discover", "--site", "plant")
    assert {each["parent"] for each in found["proposals"]} == {"root0", "group0"} or found["proposals"]  # type: ignore[attr-defined,index,union-attr]
    assert (project / "sites" / "plant.yaml").read_bytes() == before
    assert answer(project, "meters", "proposals") == {"proposals": []}
    code, out, _ = run(project, "meters", "discover", "--site", "plant")
    assert code == 0
    assert "unmetered rest of" in out
    assert "(new)" in out


def test_an_acceptance_that_was_killed_before_the_file_held_it_is_finished_by_the_next(
    project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "p"
    shutil.copytree(project, folder)
    first = answer(folder, "meters", "propose", "--site", "plant")["proposals"][0]  # type: ignore[index]
    file, before = folder / "sites" / "plant.yaml", (folder / "sites" / "plant.yaml").read_text()
    words = ["meters", "accept", first["proposal_id"], "--reason", "as wired", "--as", "carla"]
    program = [sys.executable, "-c", killed("plant") + SHELL, *words, "--project", str(folder)]
    dead = subprocess.run(program, capture_output=True, text=True, check=False)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    states = [each["state"] for each in answer(folder, "meters", "proposals")["proposals"]]  # type: ignore[attr-defined,index,union-attr]
    assert "accepted" in states
    assert file.read_text() == before
    code, _, error = run(folder, *words)
    cut_off = f"meters accepted of {first['proposal_id']}, by carla, was cut off before plant.yaml held it; it holds it"
    assert (code, cut_off in error) == (2, True), error
    meter = load_site(file).meter(first["child"])
    assert meter is not None
    assert meter.parent == first["parent"]
    # Finished once; then it is a decided one.
    assert "was accepted by carla already" in run(folder, *words)[2]


def test_a_proposal_is_accepted_by_an_engineer_with_a_reason_and_written_into_the_site_file(project: Path) -> None:
    kept = answer(project, "meters", "propose", "--site", "plant")["proposals"]
    second = answer(project, "meters", "propose", "--site", "plant")["proposals"]
    assert isinstance(kept, list)
    assert kept
    assert kept == second
    first = kept[0]
    code, _, error = run(project, "meters", "accept", first["proposal_id"], "--reason", "as wired")
    assert code == 2
    assert "engineer" in error
    code, _, error = run(project, "meters", "accept", first["proposal_id"], "--reason", "as wired", "--as", "ben")
    assert code == 2
    assert "has not the role" in error
    code, _, error = run(project, "meters", "accept", first["proposal_id"], "--reason", " ", "--as", "carla")
    assert code == 2
    assert "needs a reason" in error
    file = project / "sites" / "plant.yaml"
    before = file.read_text()
    assert not [part for part in (project / "sites").iterdir() if part.name.endswith(".part")]
    done = answer(project, "meters", "accept", first["proposal_id"][:8], "--reason", "as wired", "--as", "carla")
    (line,) = done["proposals"]  # type: ignore[misc]
    assert (line["state"], line["person_id"], line["reason"]) == ("accepted", "carla", "as wired")  # type: ignore[index]
    meter = load_site(file).meter(first["child"])
    assert meter is not None
    assert meter.parent == first["parent"]
    assert "# Keep me." in file.read_text()
    assert len(file.read_text()) > len(before)
    code, _, error = run(project, "meters", "accept", first["proposal_id"], "--reason", "again", "--as", "carla")
    assert code == 2
    assert "was accepted by carla already" in error
    if len(kept) > 1:
        other = kept[1]["proposal_id"]
        answer(project, "meters", "reject", other, "--reason", "another feeder", "--as", "carla")
        states = {each["proposal_id"]: each["state"] for each in answer(project, "meters", "proposals")["proposals"]}  # type: ignore[attr-defined,index,union-attr]
        assert states[other] == "rejected"
    code, out, _ = run(project, "meters", "proposals")
    assert "carla" in out
    assert answer(project, "meters", "proposals", "--as-of", "2001-01-01T00:00:00Z") == {"proposals": []}


def test_meters_are_listed_with_kind_and_total(project: Path) -> None:
    meters = {
        each["id"]: each
        for each in answer(project, "meters", "list", "--site", "plant", "--on", "2024-02-01")["meters"]
    }  # type: ignore[attr-defined,index,union-attr]
    assert meters["root0"]["in_energy_total"]
    assert (meters["rest"]["kind"], meters["rest"]["in_carrier_total"]) == ("virtual", False)


def test_the_balance_shows_rest_profile_and_findings(project: Path) -> None:
    code, out, error = run(project, "meters", "balance", "--site", "plant", "--period", "2024-01-10", "--json")
    assert code in {0, 1}, error
    data = json.loads(out)
    assert {day["verdict"] for day in data["days"]} <= {"ok", "children_exceed_parent"}
    assert all(len(profile) == 24 for profile in data["rest_profile_kw"].values())
    code, out, _ = run(project, "meters", "balance", "--site", "plant", "--period", "2030-01-01")
    assert "virtual_gap" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("discover", "--site", "plant", "--step", "7"), "--step one of 15, 30, 60"),
        (("discover", "--site", "plant", "--period", "2030"), "no readings"),
        (("discover", "--site", "nowhere"), "unknown site 'nowhere'"),
        (("accept", "ffff", "--reason", "x", "--as", "carla"), "0 proposals have an id that starts with 'ffff'"),
    ],
)
def test_a_wrong_request_is_one_sentence(project: Path, arguments: tuple[str, ...], sentence: str) -> None:
    code, out, error = run(project, "meters", *arguments)
    assert (code, out) == (2, "")
    assert sentence in error


def test_a_parent_is_written_beside_the_id_in_either_style() -> None:
    text = with_parent(with_parent(SITE, "leaf0", "group0"), "group0", "root0")
    assert "  - {meter_id: leaf0, parent: group0}\n" in text
    assert "  - meter_id: group0\n    parent: root0\n    name: Hall\n" in text
    assert text.replace(", parent: group0", "").replace("    parent: root0\n", "") == SITE


@pytest.mark.parametrize(
    ("text", "meter", "sentence"),
    [
        (SITE, "nobody", "stands at 0 places"),
        (SITE.replace("leaf1}", "leaf1, parent: root0}", 1), "leaf1", "has a parent already"),
        (
            SITE.replace("    name: Hall\n", "    name: Hall\n    parents: [{parent: root0}]\n"),
            "group0",
            "has a parent already",
        ),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_left_alone(text: str, meter: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        with_parent(text, meter, "root0", file="plant.yaml")
