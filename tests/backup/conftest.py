"""A small project with readings, figures, commands, keys and a published report, unpacked once and opened."""

import shutil
import tarfile
from pathlib import Path

import pytest

from tests.e2e.conftest import call_here

ARCHIVE = Path(__file__).parents[1] / "old" / "81ae88f.tar.xz"


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of the archive, brought to the present tables."""
    folder = tmp_path_factory.mktemp("backup") / "works"
    folder.mkdir()
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    (folder / "reports" / "works").mkdir(parents=True)
    (folder / "reports" / "works" / "note.pdf").write_bytes(b"%PDF of a report")
    (folder / "landing" / "works").mkdir(parents=True)
    shutil.copy(folder / "known" / "march.csv", folder / "landing" / "works")
    for key in (folder / "keys").glob("*.key"):
        key.chmod(0o600)
    code, _, error = call_here("reports", "list", "--project", str(folder))
    assert code == 0, error
    return folder


@pytest.fixture
def works(unpacked: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(unpacked, tmp_path / "works"))
