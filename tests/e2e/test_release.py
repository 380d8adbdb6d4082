"""`make release`: the same commit gives the same bytes, and its list of components is the lock."""

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
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
