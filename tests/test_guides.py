"""Each guide of CONTRIBUTING.md is followed to the letter: its diff applies to a copy, and its check passes there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDES = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
COPIED = ("assets", "data_quality", "controls", "ml", "reports", "orchestration", "dbt_project", "docs", "tests")


def blocks(guide: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as it stands, without what tools made of it."""
    folder = tmp_path / "copy"
    unwanted = shutil.ignore_patterns("__pycache__", "target", "logs", "old")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    for name in ("pyproject.toml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True, capture_output=True)
    return folder


def follow(guide: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Apply its diffs, run its check in a process of its own."""
    for diff in blocks(guide, "diff"):
        subprocess.run(["git", "apply", "-"], cwd=folder, input=diff, text=True, check=True, capture_output=True)
    (check,) = blocks(guide, "sh")
    python, *arguments = shlex.split(check)
    assert python == "python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *arguments, "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_is_a_guide_for_whatever_is_added_often() -> None:
    assert set(GUIDES) == {
        "A meter format", "A KPI", "A report", "A plan device", "A device template", "A language", "An API endpoint",
        "A page", "A board", "A card", "A tariff charge", "A guard", "A forecast model",
    }  # fmt: skip


# Files that a new one needs, its tests apart.
MOST_FILES = {
    "A KPI": 3, "A report": 2, "A device template": 1, "A language": 1, "An API endpoint": 1, "A page": 2, "A board": 1,
    "A card": 2, "A tariff charge": 3, "A guard": 3, "A forecast model": 2, "A plan device": 1, "A meter format": 2,
}  # fmt: skip


@pytest.mark.parametrize("name", MOST_FILES)
def test_what_is_added_often_touches_few_files(name: str) -> None:
    touched = re.findall(r"^diff --git a/(\S+)", GUIDES[name], re.MULTILINE)
    assert 0 < len([path for path in touched if not path.startswith("tests/")]) <= MOST_FILES[name]


@pytest.mark.parametrize("name", GUIDES)
def test_every_diff_of_a_guide_applies(name: str) -> None:
    for diff in blocks(GUIDES[name], "diff"):
        check = ["git", "apply", "--check", "-"]
        done = subprocess.run(check, cwd=ROOT, input=diff, text=True, check=False, capture_output=True)
        assert done.returncode == 0, done.stderr


# Each starts another pytest, which is what a contributor does: some seconds.
@pytest.mark.slow
@pytest.mark.parametrize("name", GUIDES)
def test_whoever_follows_the_guide_arrives(name: str, copy: Path) -> None:
    done = follow(GUIDES[name], copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


@pytest.mark.slow
def test_a_step_left_out_is_noticed(copy: Path) -> None:
    # The line that makes the reader known.
    whole = GUIDES["A meter format"]
    without = re.sub(
        r"diff --git a/assets/readings/readers/reader_list.py.*?(?=diff --git)", "", whole, flags=re.DOTALL
    )
    assert without != whole
    done = follow(without, copy)
    assert (done.returncode, "no_sample_is_without_a_reader" in done.stdout) == (1, True)
