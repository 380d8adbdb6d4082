"""Dagster's run queue with room for control: dispatch and plan wait for no report, whoever asked for either.

Each run has a lane: dispatch, plan, or bulk for all others. common.yaml limits each of them, all together to fewer than
may run at once. The lane is set here and not in the jobs: what the UI materialises has none of our jobs.
"""

from dagster import DagsterRun
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.tags import PRIORITY_TAG

LANE_TAG = "meterloom/lane"
BULK = "bulk"
# By job and by the asset of each: the lane of a run, and its place in the queue; bulk runs have 0.
PRIORITIES = {"dispatch": 20, "plan": 10}
ASSETS = {"core_site__released_commands": "dispatch", "core_site__plan": "plan"}


class ControlFirst(QueuedRunCoordinator):
    """As Dagster's own; each run is given its lane and its priority as it is queued."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Queue a run."""
        run = context.dagster_run
        lane = lane_of(run)
        tags = {LANE_TAG: lane} | ({PRIORITY_TAG: str(PRIORITIES[lane])} if lane in PRIORITIES else {})
        # Before it is queued: the daemon may take it up at once.
        self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)


def lane_of(run: DagsterRun) -> str:
    """dispatch, plan or bulk: by its job, or where the UI materialises assets without one, by these."""
    if run.job_name in PRIORITIES:
        return run.job_name
    lanes = {ASSETS.get(key.to_user_string(), BULK) for key in run.asset_selection or ()}
    return lanes.pop() if len(lanes) == 1 else BULK
