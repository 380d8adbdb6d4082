"""Write dagster.yaml for a project. The database's address stays in the environment, never on disk."""

import os
import uuid
from pathlib import Path

from data_quality.contracts.settings import Project

# Dagster announces at every start that what we use is in beta; a user can do nothing about it.
BETA_NOTICES = ("Parameter `backfill_policy`", "Class `MultiPartitionMapping`")
POSTGRES_VARIABLE = "DAGSTER_POSTGRES_URL"
TEMPLATES = Path(__file__).parent
WORKSPACE = TEMPLATES / "workspace.yaml"
# The same location, served by the role `code`.
CODE_WORKSPACE = TEMPLATES / "workspace_code.yaml"


def write_instance(project: Project, home: Path | None = None) -> Path:
    """Make DAGSTER_HOME of the project with its dagster.yaml. home: another folder than its own. Returns the folder."""
    home = home or project.data_dir / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    name = "postgres" if project.settings.database.of("dagster") else "sqlite"
    text = "".join((TEMPLATES / each).read_text(encoding="utf-8") for each in (f"{name}.yaml", "common.yaml"))
    text = text.replace("HOME", str(home))
    target = home / "dagster.yaml"
    # Untouched where nothing changed: processes that run may be reading it.
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        # Here, since the first page of help loads this file and nothing of the stores.
        from assets.stores.whole_file import whole_file

        # Of a name of its own: services that start together all write it.
        with whole_file(target, unfinished=home / f".tmp-{uuid.uuid4().hex}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return home


def enter(project: Project) -> None:
    """From now on this process works in the project: Dagster and MLflow read the variables whenever they please.

    Before the graph is loaded: by what its months stand is asked then.
    """
    os.environ.update(instance_environment(project))


def instance_environment(project: Project, home: Path | None = None) -> dict[str, str]:
    """Variables that every Dagster process of this project needs. home: as of `write_instance`."""
    variables = {
        "DAGSTER_HOME": str(write_instance(project, home)),
        "METERLOOM_PROJECT": str(project.root),
        "DAGSTER_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": ",".join(f"ignore:{notice}" for notice in BETA_NOTICES),
        # By default MLflow's client goes on trying for minutes while its server is away.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
        # The materialisations of one output are written together.
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
        # The tracking server's own job runners cost a gigabyte and do nothing for us.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    # psycopg 3 fails on dagster-postgres' NOTIFY, so the older driver is named (docs/adr/0002).
    if url := project.settings.database.of("dagster", driver="psycopg2"):
        variables[POSTGRES_VARIABLE] = url
    return variables
