"""Run a job of the graph in this process, on the project's own Dagster instance: for the demo and the command line."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from assets.kpi.enpi.stale_baselines import stale_baselines
from assets.stores.transactions import reaching
from data_quality.contracts.errors import MeterloomError, RunFailed
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import Project
from orchestration.instance.repartition import ensure_schemas
from orchestration.instance.write import enter
from orchestration.month_keys import month_ranges, split_key
from orchestration.open_project import OpenProject
from orchestration.partitions import BY_BUCKET, RANGE_END, RANGE_START, SITES, SITES_TAG, graph_key
from orchestration.previews import FINDINGS
from orchestration.run_failure import failure_of
from orchestration.warehouse.fresh import stale_partitions, stale_reports
from orchestration.warehouse.report_to_dagster import tell

# Progress is told step by step; the event log keeps everything that a run says.
QUIET = {"console": {"config": {"log_level": "ERROR"}}}


@dataclass(frozen=True)
class RunOutcome:
    """Outcome of one run. findings: what its assets attached to themselves (metadata `findings`), each once."""

    job: str
    run_id: str
    seconds: float
    partition: str
    findings: tuple[Finding, ...] = ()


class Runner:
    """Executes jobs in-process. One per command; the definitions are loaded once."""

    def __init__(self, project: Project, instance: dg.DagsterInstance) -> None:
        from orchestration.definitions import defs

        self.project, self.instance, self._defs = project, instance, defs
        self.outcomes: list[RunOutcome] = []

    def run(
        self,
        job: str,
        *,
        partition: str | None = None,
        partition_range: tuple[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        only: Sequence[str] = (),
    ) -> RunOutcome:
        """Run one job to its end, or only some of its assets with their checks.

        Raises what the step that failed raised, naming the step: BadInput, Unreachable, OurFault for a bug; RunFailed
        where a check or the step itself says that it cannot be.
        """
        first, last = partition_range or (partition, partition)
        all_tags: dict[str, str] = {}
        if BY_BUCKET and first and last and "|" in first:
            all_tags[SITES_TAG] = split_key(first)[1]
            first, last = graph_key(first), graph_key(last)
        if first and last and first != last:
            all_tags |= {RANGE_START: first, RANGE_END: last}
        started = time.perf_counter()
        # dbt prints its progress; the caller's standard output belongs to the answer.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            result = self._defs.resolve_job_def(job).execute_in_process(
                instance=self.instance,
                partition_key=first if first == last else None,
                run_config={"loggers": QUIET, **({"ops": dict(config)} if config else {})},
                tags=all_tags,
                # An empty list would select nothing; None is the whole job.
                asset_selection=[dg.AssetKey(name) for name in only] or None,
                raise_on_error=False,
            )
        failed = [evaluation.check_name for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
        if not result.success:
            raise _why(result, job, failed)
        shown = " to ".join(dict.fromkeys(partition_range or ([partition] if partition else [])))
        outcome = RunOutcome(job, result.run_id, time.perf_counter() - started, shown, _findings(result))
        self.outcomes.append(outcome)
        return outcome

    def build_marts(
        self, ranges: Sequence[tuple[str, str]], *, job: str = "kpi", say: Callable[[str], None] | None = None
    ) -> None:
        """Check, compute and publish the months of each range, one run each. Raises as `run`."""
        for first, last in ranges:
            if say is not None:
                say(f"{job}: months {first}" + ("" if first == last else f" to {last}"))
            self.run(job, partition_range=(first, last))

    def know_sites(self, site_ids: list[str]) -> None:
        """Make the sites partitions, as materialising core_site__reference would."""
        self.instance.add_dynamic_partitions(SITES.name or "sites", site_ids)


class _OursOnly(logging.Filter):
    """Leaves out the traceback of a fault of the world: its one sentence is raised where the run was asked."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See the class."""
        text = record.getMessage()
        return not any(f"contracts.errors.{name}:" in text for name in ("Unreachable", "BadInput"))


def _findings(result: dg.ExecuteInProcessResult) -> tuple[Finding, ...]:
    made = [
        event.step_materialization_data.materialization for event in result.all_events if event.is_step_materialization
    ]
    documents = [each.metadata[FINDINGS].value for each in made if FINDINGS in each.metadata]
    parsed = [Finding.model_validate(one) for each in documents if isinstance(each, list) for one in each]
    return tuple(one for place, one in enumerate(parsed) if one not in parsed[:place])


def _why(result: dg.ExecuteInProcessResult, job: str, failed_checks: list[str]) -> MeterloomError:
    failure = failure_of(result.all_events)
    if failure is None:
        return RunFailed(f"job {job} failed; red checks: {', '.join(failed_checks) or 'none'}")
    return failure.kind(f"job {job}, step {failure.step}: {failure.sentence}")


@contextmanager
def open_runner(project: Project) -> Iterator[Runner]:
    """A runner on the project's instance; Dagster speaks up only for errors. Raises Unreachable."""
    enter(project)
    log = logging.getLogger("dagster")
    log.setLevel(logging.ERROR)
    if not any(isinstance(each, _OursOnly) for each in log.filters):
        log.addFilter(_OursOnly())
    ensure_schemas(project)
    with reaching(project.settings.database.of("dagster")), dg.DagsterInstance.get() as instance:
        # What commands made before is older than what this one is about to make.
        tell(instance, OpenProject(str(project.root)))
        yield Runner(project, instance)


def refresh(project: OpenProject, *, say: Callable[[str], None]) -> dict[str, list[str]]:
    """Make again what late readings left stale, and only that: marts, baselines, their EnPIs, quarterly reports.

    Returns the partitions that ran, by job, in order.
    """
    ran: dict[str, list[str]] = {}
    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        for job, months in stale_partitions(project).items():
            runner.build_marts(month_ranges(months), job=job, say=say)
        for site_id in sorted(stale_baselines(project.sites.values(), lake=project.lake, baselines=project.baselines)):
            say(f"baseline: {site_id}")
            runner.run("baseline", partition=site_id)
        # Once more: a new baseline version makes the EnPIs of its months stale.
        for job, months in stale_partitions(project).items():
            runner.build_marts(month_ranges(months), job=job, say=say)
        for key in stale_reports(project):
            say(f"report: {key}")
            runner.run("enpi_report", partition=key)
        for outcome in runner.outcomes:
            ran.setdefault(outcome.job, []).append(outcome.partition)
    return ran
