"""Sensor of run outcomes: kept in the project's store, where pages and commands look for failures."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunRecord
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus
from dagster_shared.error import SerializableErrorInfo

from assets.stores.ledgers.job_outcomes import OF_NO_SITE, TO_MEND, JobOutcome, Outcome, record_outcomes
from data_quality.contracts.errors import OurFault
from data_quality.contracts.time import Clock
from orchestration.month_keys import months_of_range
from orchestration.partitions import BY_BUCKET, PARTITION_TAG, RANGE_END, RANGE_START, SITES_TAG
from orchestration.resources import ProjectResource
from orchestration.run_failure import failure_of
from orchestration.ticks import looking_every
from orchestration.views.finding_sources import note_look

# Runs a look: more than end between two, and a look after a long pause still ends.
MOST_RUNS = 200
# What a project that never kept any begins with.
FIRST_LOOK = timedelta(days=1)
ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]


@looking_every(10, job=None)
def job_outcomes(
    context: dg.SensorEvaluationContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.SkipReason]:
    """Keeps why jobs failed, and that they succeed again: pages, `meterloom next` and `meterloom doctor` say so.

    Looks every 10 s; it starts no run.
    """
    note_look(project.project.data_dir, clock.now_utc())
    # Whether each schedule and sensor works, by its newest look; none of those that never looked.
    now_utc = clock.now_utc()
    states = {each.selector_id: each for each in context.instance.all_instigator_state()}
    newest = context.instance.get_batch_ticks(sorted(states), limit=1) if states else {}
    made = []
    for selector_id, state in states.items():
        tick = next(iter(newest.get(selector_id, ())), None)
        sentence, is_off = "", state.status is InstigatorStatus.STOPPED
        if is_off:
            sentence = f"it is switched off, so no run begins by it{TO_MEND}switch it on under Automation in Dagster"
        elif tick is None or tick.status is TickStatus.STARTED:
            continue
        elif tick.status is TickStatus.FAILURE:
            sentence = f"its last look failed: {_cause(tick.error)}"
        ended_utc = now_utc if tick is None or is_off else datetime.fromtimestamp(tick.timestamp, UTC)
        seen = JobOutcome.of_no_run(state.instigator_name, OF_NO_SITE, sentence, ended_utc)
        made.append(seen if sentence else seen.model_copy(update={"outcome": "succeeded"}))
    kept = record_outcomes(project.store, made, clock)
    since = datetime.fromisoformat(context.cursor) if context.cursor else clock.now_utc() - FIRST_LOOK
    ended = context.instance.get_run_records(
        dg.RunsFilter(statuses=ENDED, updated_after=since),
        limit=MOST_RUNS,
        order_by="update_timestamp",
        ascending=True,
    )
    for record in ended:
        kept += record_outcomes(project.store, outcomes_of(context.instance, record), clock)
        # After each: what is kept already is not asked for once more where the next one cannot be kept.
        context.update_cursor(record.update_timestamp.astimezone(UTC).isoformat())
    yield dg.SkipReason(f"{len(ended)} runs have ended; {kept} changes of what is known of jobs")


def _cause(error: SerializableErrorInfo | None) -> str:
    # Dagster wraps what a look raised in its own.
    while error is not None and error.cause is not None:
        error = error.cause
    lines = error.message.strip().splitlines() if error else []
    return lines[-1] if lines else "no error is kept"


def outcomes_of(instance: dg.DagsterInstance, record: RunRecord) -> list[JobOutcome]:
    """Outcomes of a run of one of our jobs, by site and month; none of what the UI materialised without a job."""
    run = record.dagster_run
    if run.job_name.startswith("__"):
        return []
    outcome, sentence = ("succeeded", "") if run.is_success else _failure(instance, run.run_id)
    ended_utc = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
    return [
        JobOutcome(
            site_id=site_id,
            job=run.job_name,
            part=part,
            outcome=outcome,
            sentence=sentence,
            run_id=run.run_id,
            ended_utc=ended_utc,
        )
        for site_id in sites_of_run(run)
        for part in parts_of_run(run)
    ]


def _failure(instance: dg.DagsterInstance, run_id: str) -> tuple[Outcome, str]:
    kinds = {DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
    events = [each.dagster_event for each in instance.all_logs(run_id, of_type=kinds) if each.dagster_event]
    failure = failure_of(events)
    if failure is None:
        # Its process died, or it took too long: Dagster's own words.
        return "failed", next((each.message for each in events if each.message), "it ended without a reason")
    if failure.kind is OurFault:
        return "fault", f"a fault of the program, see run {run_id[:8]} in Dagster ({failure.sentence})"
    return "failed", failure.sentence


def parts_of_run(run: dg.DagsterRun) -> list[str | None]:
    """The months that a run is about, `2025-03`; None where it is of none."""
    first = run.tags.get(PARTITION_TAG) or run.tags.get(RANGE_START, "")
    if "|" not in first:
        return [None]
    return [name.partition("|")[2] for name in months_of_range(first, run.tags.get(RANGE_END, first))]


def sites_of_run(run: dg.DagsterRun) -> list[str]:
    """The sites that a run is about, by its tags or its config; one empty name where it is of no single site."""
    if SITES_TAG in run.tags:
        return run.tags[SITES_TAG].split(",")
    key = run.tags.get(PARTITION_TAG) or run.tags.get(RANGE_START)
    if key is None:
        # As of ingest, whose files are of any site.
        ops = cast("Mapping[str, Any]", run.run_config.get("ops", {}))
        given = [each.get("config", {}) for each in ops.values()]
        return sorted({str(config["site"]) for config in given if config.get("site")}) or [OF_NO_SITE]
    _, of_month, place = key.rpartition("|")
    # A bucket without names is of all of its sites.
    return [OF_NO_SITE if BY_BUCKET and of_month else place]
