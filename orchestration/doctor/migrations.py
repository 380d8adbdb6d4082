"""Does the store have the revision of this code, and what would opening it change? Nothing is migrated here."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from data_quality.contracts.settings import Project
from orchestration.doctor.reachable import item

if TYPE_CHECKING:
    from assets.stores.revisions import Standing

NAME = "migrations"
# Where the libraries keep their revisions, what they keep under our data folder, and their own command.
OTHERS = (
    ("mlflow", "store/db_migrations/versions", ("mlflow/mlflow.db",), "mlflow db upgrade sqlite:///{file}"),
    (
        "dagster",
        "_core/storage/alembic/versions",
        ("dagster/history/runs.db", "dagster/history/runs/index.db", "dagster/schedules/schedules.db"),
        "DAGSTER_HOME={home}/dagster dagster instance migrate",
    ),
)


def check(project: Project) -> list[dict[str, str]]:
    """The store's revision, and a line for each step to come. Anything but `ok` means: opening the store would change
    it or is refused. Raises DatabaseError where the database does not answer.
    """
    from assets.stores.revisions import copy_path, standing
    from assets.stores.transactions import connect_store

    file = project.store_url.removeprefix("sqlite:///")
    # A URL that kept its prefix is no SQLite file, and has no path to look at.
    if file != project.store_url and not Path(file).exists():
        return [item(NAME, "ok", "no store yet: the first command makes it")]
    store = connect_store(project.store_url)
    try:
        found = standing(store.engine)
        kept = "" if found.present is None else copy_path(store.engine, found.present).name
    finally:
        store.close()
    if found.refusal:
        said, _, mend = found.refusal.partition(": ")
        return [item(NAME, "fail", said, mend)]
    if found.present is None or not found.steps:
        return [item(NAME, "ok", f"revision {found.present}" if found.present else "an empty database")]
    return _to_come(found, kept if file != project.store_url else "")


def _to_come(found: "Standing", kept: str) -> list[dict[str, str]]:
    copy = f"a copy is kept as {kept}" if kept else "make a dump first: no copy is kept of PostgreSQL"
    detail = f"revision {found.present}; the next command that opens it takes {len(found.steps)} step(s) first; {copy}"
    mend = "every other 'meterloom' command does it: whole, or not at all"
    return [
        item(NAME, "warn", detail, mend),
        *(item(f"step {step.revision}", "warn", step.sentence, "comes with the migration") for step in found.steps),
    ]


def others(project: Project) -> list[dict[str, str]]:
    """A line for each SQLite file of MLflow or Dagster that is not of the revision of the installed library."""
    from assets.stores.revisions import behind

    found, home = [], project.data_dir
    for library, folder, files, mend in OTHERS:
        # Found, not imported: MLflow alone takes seconds to load.
        spec = importlib.util.find_spec(library)
        if spec is None or not spec.submodule_search_locations:
            continue
        for file in (home / name for name in files):
            versions = Path(spec.submodule_search_locations[0]) / folder
            if file.exists() and (differs := behind(file, versions)):
                detail = f"{file.name} is of revision {differs[0]}, the installed version wants {differs[1]}"
                found.append(item(f"{library} schema", "warn", detail, mend.format(file=file, home=home)))
    return found
