"""Approved baselines in MLflow. The register of approvals is the project's own store."""

from data_quality.contracts.errors import Unreachable
from orchestration.open_project import OpenProject


def show_in_registry(project: OpenProject, baseline_id: str) -> str:
    """Let MLflow show how the versions of a baseline stand. Returns why it does not, empty where it does.

    An approval counts whether or not anybody can look at it there.
    """
    from ml.registered_baselines import show_approvals

    tracker = project.tracker
    try:
        if tracker.is_begun:
            show_approvals(tracker, project.baselines.line(baseline_id), project.names)
    except Unreachable as fault:
        return f"it counts, but MLflow does not show it: {fault}"
    return ""
