"""`meterloom models`: registered models, their versions and aliases."""

from typing import Annotated, Any

import typer

from ml.tracker import CHAMPION
from ml.tracking import MlflowTracker
from orchestration.cli.frame import Answer, Call, command


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Registered models.", no_args_is_help=True)
    app.add_typer(group, name="models")

    @command(group, "list", example="meterloom models list --json")
    def models_list(
        call: Call, name: Annotated[str | None, typer.Argument(help="Only this registered name.")] = None
    ) -> Answer:
        """List every registered version with its alias, target, scores and digest."""
        project = call.project.project
        tracker = MlflowTracker(project.mlflow_uri, project.mlflow_artifacts_dir)
        found: list[dict[str, Any]] = []
        for model in [name] if name else tracker.names():
            champion = tracker.get_alias(model, CHAMPION)
            found += [
                {
                    "name": version.name,
                    "version": version.version,
                    "alias": CHAMPION if version.version == champion else None,
                    "target": version.tags.get("target", ""),
                    "scores": tracker.metrics(version.run_id),
                    "digest": version.checksum,
                }
                for version in tracker.versions(model)
            ]
        rows = [[m["name"], str(m["version"]), m["alias"] or "", m["digest"][:12]] for m in found]
        return Answer(data={"models": found}, columns=["name", "version", "alias", "digest"], rows=rows)
