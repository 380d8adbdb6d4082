"""`meterloom models`: registered models, their versions and aliases."""

from typing import Annotated

import typer

from ml.tracker import APPROVED, CHAMPION
from ml.tracking import MlflowTracker
from orchestration.cli.answer import Answer, Table
from orchestration.cli.frame import PROJECT, Call, command

MODELS = Table("models", "name | version | alias: {alias:|} | digest: {digest:.12}")


@command("models list", takes=PROJECT, example="--json")
def models_list(
    call: Call, name: Annotated[str | None, typer.Argument(help="Only this registered name.")] = None
) -> Answer:
    """List every registered version with its alias, target, scores and digest."""
    project = call.project.project
    tracker = MlflowTracker(project.mlflow_uri, project.mlflow_artifacts_dir)
    models = [name] if name else tracker.names()
    # Asked once a model and not once a version: each is a query of its own.
    aliases = {(model, tracker.get_alias(model, alias)): alias for model in models for alias in (CHAMPION, APPROVED)}
    found = [
        {
            "name": version.name,
            "version": version.version,
            "alias": aliases.get((model, version.version)),
            "target": version.tags.get("target", ""),
            "scores": tracker.metrics(version.run_id),
            "digest": version.checksum,
        }
        for model in models
        for version in tracker.versions(model)
    ]
    return Answer({"models": found}, MODELS)
