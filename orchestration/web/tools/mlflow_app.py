"""MLflow's own application behind the gate: `mlflow server --app-name meterloom` (entry point of pyproject.toml)."""

import os
from pathlib import Path

from data_quality.contracts.settings import load_project
from data_quality.contracts.time import SystemClock
from orchestration.web.tools.gate import Gate


def make() -> Gate:
    """Made by the worker that serves it, for the project of METERLOOM_PROJECT."""
    from mlflow.server.fastapi_app import app

    project = load_project(Path(os.environ.get("METERLOOM_PROJECT") or "."), os.environ)
    return Gate(app, project, SystemClock(), health=("/health", "/version"))
