"""The wheel of this checkout, installed into an environment outside of it, as a user without the sources has it."""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import MUST_NOT_SKIP, ROOT

# Folders at the top of the repository that the wheel holds.
PACKAGES = ("assets", "controls", "data_quality", "dbt_project", "ml", "orchestration", "reports")
BUILD = ("pyproject.toml", "README.md", "LICENSE")
# Programs of libraries that `meterloom up` starts by name.
PROGRAMS = ("dagster", "dagster-daemon", "dagster-webserver", "mlflow")


def tracked(*paths: str) -> set[str]:
    """Files of the repository below these paths that git has, or would take. Skips where there is no repository."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths]
    found = subprocess.run(git, capture_output=True, text=True, check=False)
    if found.returncode:
        if MUST_NOT_SKIP:
            raise AssertionError(found.stderr)
        pytest.skip("no git repository: nothing says which files are the project's")
    return {name for name in found.stdout.split("\0") if name and (ROOT / name).is_file()}


def build(folder: Path) -> Path:
    """The wheel, built from tracked files alone with the build back end of the lock; nothing is fetched."""
    sources = folder / "sources"
    for name in tracked(*PACKAGES, *BUILD):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, sources / name)
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder)]
    _run([sys.executable, "-m", "pip", "wheel", *options, str(sources)])
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel; libraries are those of the environment of the tests."""

    folder: Path
    wheel: Path

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        return self.folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"

    @property
    def environment(self) -> dict[str, str]:
        """Of a user with a home of their own; compiled Python lies there too, so that what else is written shows."""
        home = self.folder.parent / "home"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "METERLOOM", "XDG"))
        }
        return {**kept, "HOME": str(home), "PYTHONPYCACHEPREFIX": str(home / "pycache")}

    def command(self, *words: str) -> list[str]:
        """A call of its `meterloom`."""
        return [str(self.folder / "bin" / "meterloom"), *words]

    def run(self, *words: str, folder: Path) -> str:
        """Output of one command there; it must succeed."""
        return _run(self.command(*words), cwd=folder, env=self.environment)

    def written(self) -> set[str]:
        """Files of our packages that are not as the wheel has them."""
        with zipfile.ZipFile(self.wheel) as archive:
            held = {name: archive.read(name) for name in archive.namelist() if name.startswith(PACKAGES)}
        present = {
            path.relative_to(self.packages).as_posix(): path.read_bytes()
            for name in PACKAGES
            for path in (self.packages / name).rglob("*")
            if path.is_file()
        }
        return {name for name in held.keys() | present.keys() if held.get(name) != present.get(name)}


def install(wheel: Path, folder: Path) -> Installed:
    """A fresh environment with the wheel. What it needs is taken from ours, but for what is our own: path files of a
    folder that is named in a path file are not read, and so the checkout is not found there.
    """
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    installed = Installed(folder, wheel)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (installed.packages / "libraries.pth").write_text(f"{libraries}\n")
    python = ["--python", str(folder / "bin" / "python")]
    options = ["--no-deps", "--no-index", "--no-compile", "--quiet"]
    _run([sys.executable, "-m", "pip", *python, "install", *options, str(wheel)])
    for name in PROGRAMS:
        _, _, code = Path(sys.executable).with_name(name).read_text().partition("\n")
        (folder / "bin" / name).write_text(f"#!{folder / 'bin' / 'python'}\n{code}")
        (folder / "bin" / name).chmod(0o755)
    return installed


def _run(words: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr}\n{done.stdout}"
    return done.stdout
