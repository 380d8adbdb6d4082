"""`make release`: the same commit gives the same bytes, and its list of components is the lock."""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import MUST_NOT_SKIP, ROOT
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


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_two_lines_of_the_readme_install_a_release_into_an_empty_environment(
    releases: list[Path], tmp_path: Path
) -> None:
    lines = re.findall(r"`(pip install [^`]*meterloom-VERSION[^`]*)`", (ROOT / "README.md").read_text("utf-8"))
    assert len(lines) == 2
    (wheel,) = releases[0].glob("*.whl")
    version = wheel.name.split("-")[1]
    venv.create(tmp_path / "clean", with_pip=True)
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "METERLOOM", "VIRTUAL"))
    }
    environment = {**ours, "PATH": f"{tmp_path / 'clean' / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def run(line: str) -> str:
        words = shlex.split(line.replace("VERSION", version))
        done = subprocess.run(words, cwd=releases[0], env=environment, capture_output=True, text=True, check=False)
        if "NewConnectionError" in done.stderr and not MUST_NOT_SKIP:
            pytest.skip("no package index answers here")
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return done.stdout

    for line in lines:
        run(line)
    assert version in run("meterloom --version")
    run(f"meterloom demo --files-only --until 2026-01-01 --out {tmp_path / 'demo'}")
    found = json.loads(run(f"meterloom meters list --site factory --project {tmp_path / 'demo'} --json"))
    assert "main" in {each["id"] for each in found["meters"]}
