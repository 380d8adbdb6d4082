"""A run that failed or was ended, as by Ctrl-C while it worked, is asked for once more: its run key would forbid it."""

import dagster as dg

_RUN_KEY = "dagster/run_key"
_FAILED = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def has_failed(instance: dg.DagsterInstance, run_key: str) -> bool:
    """True where its newest run failed; one that was ended did not."""
    runs = instance.get_runs(dg.RunsFilter(tags={_RUN_KEY: run_key}), limit=1)
    return bool(runs) and runs[0].status == dg.DagsterRunStatus.FAILURE


def key_of_try(instance: dg.DagsterInstance, run_key: str) -> str:
    """The run key of the next try: the same where it is new, is on its way or went well.

    What fails twice waits until something changes: it would fail for ever.
    """
    runs = instance.get_runs(dg.RunsFilter(tags={_RUN_KEY: run_key}), limit=1)
    return f"{run_key}:again" if runs and runs[0].status in _FAILED else run_key
