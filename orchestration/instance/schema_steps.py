"""Steps from the tables of an earlier version to those of this one: of the store, MLflow's and Dagster's files.

Lake files, packs and traces of earlier versions are read as they are; marts and warehouse are made again by the next
`meterloom kpis`.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from assets.stores.backup.store_copy import dump_schema
from assets.stores.revisions import Standing, behind, copy_path, standing
from assets.stores.transactions import connect_store
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project
from orchestration.instance.repartition import prepare_databases
from orchestration.instance.start_lock import free, taken
from orchestration.instance.write import instance_environment

STORE = "store"


class Library(NamedTuple):
    """Tables that a library keeps by Alembic. folder: its revisions, in its package; files: below the data folder;
    words: its own command, of the program of its name.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    words: tuple[str, ...]


LIBRARIES = (
    Library("mlflow", "store/db_migrations/versions", ("mlflow/mlflow.db",), ("mlflow", "db", "upgrade", "{mlflow}")),
    Library(
        "dagster",
        "_core/storage/alembic/versions",
        ("dagster/history/runs.db", "dagster/history/runs/index.db", "dagster/schedules/schedules.db"),
        ("dagster", "instance", "migrate"),
    ),
)


class SchemaStep(NamedTuple):
    """One step. part: the store, or the library and file; sentence: of what it changes."""

    part: str
    revision_from: str
    revision: str
    sentence: str


class SchemaPlan(NamedTuple):
    """State of a project's tables. present, newest: revisions of the store, empty where there is none yet; copy: place
    of the store of before; refusal: why nothing can be done.
    """

    present: str
    newest: str
    steps: tuple[SchemaStep, ...]
    copy: str
    refusal: str


def schema_plan(project: Project) -> SchemaPlan:
    """The steps to come; nothing is changed. Raises DatabaseError where the store does not answer."""
    file = project.store_url.removeprefix("sqlite:///")
    # A URL that kept its prefix is no SQLite file, and has no path to look at.
    if file != project.store_url and not Path(file).exists():
        return SchemaPlan("", "", (), "", "")
    store = connect_store(project.store_url)
    try:
        found = standing(store.engine)
        copy = str(copy_path(store.engine, found.present)) if found.present and file != project.store_url else ""
    finally:
        store.close()
    if found.refusal:
        return SchemaPlan(found.present or "", "", (), "", found.refusal)
    steps = (*_of_store(found), *library_steps(project))
    newest = found.steps[-1].revision if found.steps else found.present or ""
    if found.present and file == project.store_url:
        copy = str(project.data_dir / f"store.{found.present}.dump")
    return SchemaPlan(found.present or "", newest, steps, copy, "")


def _of_store(found: Standing) -> list[SchemaStep]:
    before = [found.present or "", *(each.revision for each in found.steps)]
    return [
        SchemaStep(STORE, was, each.revision, each.sentence) for was, each in zip(before, found.steps, strict=False)
    ]


def library_steps(project: Project) -> list[SchemaStep]:
    """A step for each SQLite file of MLflow or Dagster that is not of the installed library's revision."""
    found = []
    for library in LIBRARIES:
        # Found, not imported: MLflow alone takes seconds to load.
        spec = importlib.util.find_spec(library.name)
        if spec is None or not spec.submodule_search_locations:
            continue
        versions = Path(spec.submodule_search_locations[0]) / library.folder
        for file in (project.data_dir / name for name in library.files):
            if file.exists() and (differs := behind(file, versions)):
                said = f"{file.name} is of revision {differs[0]}, the installed version wants {differs[1]}"
                found.append(SchemaStep(f"{library.name} schema", *differs, said))
    return found


def command_of(part: str, project: Project) -> list[str]:
    """The library's own command for the step of a part."""
    library = next(each for each in LIBRARIES if part.startswith(each.name))
    return [word.format(mlflow=project.mlflow_uri) for word in library.words]


def take_steps(project: Project, plan: SchemaPlan, doing: Callable[[str], object]) -> None:
    """Take the steps of a plan, with a copy of the store first; what was done already is not done again.

    Raises BadInput where services run, Unreachable where a copy cannot be kept or a library's own command fails; the
    store is then as it was.
    """
    with taken(project, "up"):
        free(project, "daemon")
        if any(each.part == STORE for each in plan.steps):
            # An empty database has nothing to lose.
            if plan.copy and project.settings.database.of("store"):
                doing(f"keeping the store as it was: {plan.copy}")
                dump_schema(project.store_url, Path(plan.copy))
            doing("the store's tables, and a schema for each part of a database")
            prepare_databases(project)
        for part in dict.fromkeys(each.part for each in plan.steps if each.part != STORE):
            doing(part)
            _run(part, project)


def _run(part: str, project: Project) -> None:
    program, *words = command_of(part, project)
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *words],
        env={**os.environ, **instance_environment(project)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        raise Unreachable(f"{part}: '{' '.join((program, *words))}' ended with code {done.returncode}: {said}")
