"""What stands in the project's ledgers as people see it: commands by the contract's names, approvals in MLflow."""

from datetime import datetime
from typing import Any

from assets.stores.transactions import Store
from controls.ledger.past import commands_at
from controls.ledger.rows import read_commands
from data_quality.contracts.errors import Unreachable
from orchestration.resources import ProjectResource


def commands_of_store(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Commands with the keys of the contract, oldest first; as they stood at an instant where one is given."""
    found = []
    for row in read_commands(store, site_id) if as_of_utc is None else commands_at(store, site_id, as_of_utc):
        order = row.command
        proof = (
            {} if row.evidence_grade is None else {"grade": int(row.evidence_grade), "means": row.evidence_grade.name}
        )
        found.append(
            {
                "id": order.command_id,
                "device": order.device_id,
                "capability": order.capability,
                "value": order.value,
                "unit": order.unit,
                "valid_from": order.valid_from_utc,
                "valid_until": order.valid_until_utc,
                "state": row.state.value,
                "evidence": [{**proof, **row.facts}] if proof or row.facts else [],
            }
        )
    return found


def show_in_registry(project: ProjectResource, baseline_id: str) -> str:
    """Let MLflow show how the versions of a baseline stand. Returns why it does not, empty where it does.

    An approval counts whether or not anybody can look at it there.
    """
    # MLflow takes seconds to import, which only a command that needs it shall pay.
    from ml.tracker import show_approvals
    from ml.tracking import MlflowTracker

    site_id, seu_id, _ = baseline_id.split("/")
    line = [each for each in project.baselines.versions(site_id, seu_id) if each.baseline_id == baseline_id]
    tracker = MlflowTracker(project.project.mlflow_uri, project.project.mlflow_artifacts_dir)
    try:
        if tracker.is_begun:
            show_approvals(tracker, line)
    except Unreachable as fault:
        return f"it counts, but MLflow does not show it: {fault}"
    return ""
