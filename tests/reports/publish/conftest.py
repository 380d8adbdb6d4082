"""A project folder with the plant in it, its people and their keys: what commands are run on."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from assets.stores.sign import new_key
from assets.stores.transactions import open_store
from orchestration.cli.main import build_app
from tests.reports import plant
from tests.reports.conftest import make_world
from tests.reports.test_store import report

REVISION = "enpi_quarter/plant/2025-Q1@1"
ROLES = {
    "anna": ["approver", "reviewer"],
    "ben": ["analyst", "reviewer", "publisher"],
    "dirk": ["publisher"],
    "both": ["reviewer", "publisher"],
}
MODULES = ("reports", "pack", "verify", "keys", "trace")


@dataclass
class Desk:
    """A project folder, and commands run in it."""

    folder: Path

    def run(self, *words: str) -> tuple[int, Any, str]:
        """Exit code, the JSON document (or None) and standard error."""
        # A pack is verified by itself: the command has no project.
        project = [] if words[0] == "verify" else ["--project", str(self.folder)]
        result = CliRunner().invoke(build_app(MODULES), [*words, "--json", *project])
        return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr

    def people(self, *, keys: bool = True, without: tuple[str, ...] = ()) -> None:
        """The people file; with keys, everybody but `without` has one."""
        rows = []
        for person, roles in ROLES.items():
            row: dict[str, Any] = {"person_id": person, "name": person.title(), "roles": roles}
            if keys and person not in without:
                path = self.folder / "keys" / f"{person}.key"
                path.unlink(missing_ok=True)
                row["public_key"] = new_key(path.parent, person).public_key
            rows.append(row)
        (self.folder / "people.yaml").write_text(yaml.safe_dump({"people": rows}), encoding="utf-8")


MakeDesk = Callable[..., Desk]
_made: dict[str, Path] = {}


@pytest.fixture
def desk(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeDesk:
    """Makes the folder: one stored report of the plant, settings, people with keys."""

    def make(**options: Any) -> Desk:
        key = repr(sorted((name, str(value)) for name, value in options.items()))
        if key not in _made:
            _made[key] = _project(tmp_path_factory.mktemp("project"), **options)
        shutil.copytree(_made[key], tmp_path / "project")
        return Desk(tmp_path / "project")

    return make


def _project(folder: Path, *, is_synthetic: bool = False, **options: Any) -> Path:
    if is_synthetic:
        first, after = plant.quarter().start, plant.quarter().end
        options["rows"] = plant.plant_rows(first, after, is_synthetic=True)
    used = make_world(folder / "var", **options)
    report(used)
    used.lake.store.close()
    (folder / "sites").mkdir()
    site = used.site.model_dump(mode="json", exclude_defaults=True)
    (folder / "sites" / "plant.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    (folder / "meterloom.yaml").write_text("paths: {}\n", encoding="utf-8")
    Desk(folder).people()
    return folder


def store_of(found: Desk) -> Any:
    """The project's store, to look behind a command."""
    return open_store(f"sqlite:///{found.folder / 'var' / 'store.db'}")
