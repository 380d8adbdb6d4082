"""Steps from the tables of an earlier version to those of this one: of the store, of MLflow's and of Dagster's.

Lake files, packs and traces of earlier versions are read as they are; marts and warehouse are recomputed by the next
`meterloom kpis`.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from assets.stores.backup.store_copy import dump_schema
from assets.stores.revisions import as_copies, behind, copy_path, file_revisions, server_revisions, store_revision_of
from assets.stores.transactions import connect_store
from data_quality.contracts.database import address_of
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.log import masked
from data_quality.contracts.settings import Project
from orchestration.instance.repartition import prepare_databases
from orchestration.instance.start_lock import free, taken
from orchestration.instance.write import instance_environment

STORE = "store"


class Library(NamedTuple):
    """Tables that a library keeps by Alembic. folder: its revisions, in its package; files: in its folder of the data,
    where no database is named; more: pattern of others of the same revision, one a run; program: its own command, as
    Python that is given the database by the environment.
    """

    name: Literal["mlflow", "dagster"]
    folder: str
    files: tuple[str, ...]
    program: str
    more: str = ""

    def behind(self, folder: Path, revision: str) -> list[str]:
        """Names of the files to bring to a revision: those of single runs first, since nobody looks at theirs."""
        others = folder.glob(self.more) if self.more else ()
        names = {path.relative_to(folder).as_posix() for path in others if file_revisions(path) != {revision}}
        names -= set(self.files)
        return [*sorted(names), *(name for name in self.files if (folder / name).exists())]


# By the environment, since everybody on the machine reads the arguments of a process, and a URL holds a password.
MLFLOW_URL = "METERLOOM_MLFLOW_TO_UPGRADE"
LIBRARIES = (
    Library(
        "mlflow",
        "store/db_migrations/versions",
        ("mlflow.db",),
        f"import os; from mlflow.db import commands; commands(['upgrade', os.environ.pop('{MLFLOW_URL}')])",
    ),
    Library(
        "dagster",
        "_core/storage/alembic/versions",
        ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"),
        "from dagster._cli import cli; cli(['instance', 'migrate'])",
        "history/runs/*.db",
    ),
)


class SchemaStep(NamedTuple):
    """One step. part: the store, or the tables of a library; sentence: of what it changes."""

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
        found = store_revision_of(store.engine)
        copy = str(copy_path(store.engine, found.present)) if found.present and file != project.store_url else ""
    finally:
        store.close()
    if found.refusal:
        return SchemaPlan(found.present or "", "", (), "", found.refusal)
    before = [found.present or "", *(each.revision for each in found.steps)]
    own = [SchemaStep(STORE, was, each.revision, each.sentence) for was, each in zip(before, found.steps, strict=False)]
    steps = (*own, *library_steps(project))
    newest = found.steps[-1].revision if found.steps else found.present or ""
    if found.present and file == project.store_url:
        copy = str(project.data_dir / f"store.{found.present}.dump")
    return SchemaPlan(found.present or "", newest, steps, copy, "")


def library_steps(project: Project) -> list[SchemaStep]:
    """A step for each database of MLflow or Dagster that is not of the installed library's revision: the one that the
    settings name, else its files. A file that was left when a database was named is nobody's, and stays as it is.

    Raises Unreachable where the database does not answer, and for one that a newer version of the library wrote.
    """
    found = []
    for library in LIBRARIES:
        # Found, not imported: MLflow alone takes seconds to load.
        spec = importlib.util.find_spec(library.name)
        if spec is None or not spec.submodule_search_locations:
            continue
        versions = Path(spec.submodule_search_locations[0]) / library.folder
        # Each database that has tables: its name for people, and its revisions.
        if url := project.settings.database.of(library.name):
            kept = [(address_of(url), present)] if (present := server_revisions(url)) else []
        else:
            files = [project.data_dir / library.name / name for name in library.files]
            kept = [(file.name, file_revisions(file)) for file in files if file.exists()]
        for name, present in kept:
            if differs := behind(present, versions, name):
                message = f"{name} is of revision {differs[0]}, the installed version wants {differs[1]}"
                found.append(SchemaStep(f"{library.name} schema", *differs, message))
    return found


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
        for part, step in {each.part: each for each in plan.steps if each.part != STORE}.items():
            doing(part)
            library = next(each for each in LIBRARIES if part.startswith(each.name))
            if project.settings.database.of(library.name):
                _run(library, instance_environment(project), project.mlflow_uri)
                continue
            folder = project.data_dir / library.name
            with as_copies(folder, library.behind(folder, step.revision), step.revision) as copies:
                # For Dagster a home of its own, whose files are the copies.
                _run(library, instance_environment(project, home=copies), f"sqlite:///{copies / 'mlflow.db'}")


def _run(library: Library, environment: dict[str, str], mlflow_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", library.program],
        env={**os.environ, **environment, MLFLOW_URL: mlflow_url},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        # SQLAlchemy's last line is an address of its manual.
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("(Background")]
        reason = masked((lines or ["no word of why"])[-1])[0]
        raise Unreachable(f"{library.name} schema: its own migration ended with code {done.returncode}: {reason}")
