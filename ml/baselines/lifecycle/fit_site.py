"""From the lake to registered baselines: every SEU of a site, and the expected energy of every day it has."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import polars as pl
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from assets.kpi.enpi.daily import adjusted_days, days_in, expected_days, uses_streams
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import expect_unchanged
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.ledgers.baselines import BaselineStore
from data_quality.contracts.baselines.baseline import Adjustment, Baseline, BaselineVersion, ExpectedDay
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.finding import Finding
from data_quality.contracts.frames import empty
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Clock, Period
from data_quality.contracts.work.work_port import FanOut, in_order
from ml.baselines.lifecycle.uses_task import STREAMS_A_BLOCK, UsesTask, UsesWork, answers_of, blocks_of, tasks_of
from ml.baselines.models.ols import fit_daily
from ml.baselines.models.sufficiency import refused
from ml.registered_baselines import log_baselines
from ml.tracking import MlflowTracker


class FitReport(Model):
    """Outcome of each SEU: registered, or refused with a finding."""

    fitted: tuple[BaselineVersion, ...] = ()
    refused: dict[str, Finding] = {}


def fit_site(
    site: Site,
    *,
    lake: Lake,
    store: BaselineStore,
    tracker: MlflowTracker,
    clock: Clock,
    fitted_by: str,
    seu_id: str | None = None,
    fan_out: FanOut = in_order,
) -> FitReport:
    """Fit and register the energy baseline of every active SEU that names a baseline period, or of one SEU.

    fan_out: who fits; what was fitted is registered here, block by block. The same data and the same rules give the
    version that is already registered. Raises Unreachable.
    """
    wanted = [seu for seu in site.seus if seu_id in (None, seu.seu_id) and seu.is_active]
    periods: dict[tuple[date, date], list[Seu]] = {}
    for seu in wanted:
        if seu.baseline is not None:
            periods.setdefault((seu.baseline.start, seu.baseline.end), []).append(seu)
    fitted: dict[str, BaselineVersion] = {}
    others = {
        seu.seu_id: refused("no_baseline_period", f"SEU {seu.seu_id} names no baseline period in the site file", seu)
        for seu in wanted
        if seu.baseline is None
    }
    tasks = list(tasks_of(site, periods, lake=lake, clock=clock))
    for answers in answers_of(fit_uses, tasks, fan_out, what="fits"):
        kept, turned_down = registered(answers, store=store, tracker=tracker, clock=clock, fitted_by=fitted_by)
        fitted |= kept
        others |= turned_down
    names = [seu.seu_id for seu in wanted]
    return FitReport(
        fitted=tuple(fitted[name] for name in names if name in fitted),
        refused={name: others[name] for name in names if name in others},
    )


def fit_uses(task: UsesTask) -> dict[str, Baseline | Finding]:
    """Use -> its baseline, or why there is none. Pure: reads the task's files and nothing else. Raises Unreachable."""
    expect_unchanged(task.files)
    days = days_in(task.files, task.site, uses_streams(task.seus), start=task.start, end=task.end)
    # How many threads a product is cut into moves its last digits on some processors.
    with threadpool_limits(limits=1, user_api="blas"):
        return {
            seu.seu_id: fit_daily(
                days.of(seu),
                site=task.site,
                seu=seu,
                start=task.start,
                end=task.end,
                today=task.today,
                lake_digest=task.lake_digest,
            )
            for seu in task.seus
        }


def registered(
    answers: Mapping[str, Baseline | Finding],
    *,
    store: BaselineStore,
    tracker: MlflowTracker,
    clock: Clock,
    fitted_by: str,
) -> tuple[dict[str, BaselineVersion], dict[str, Finding]]:
    """Results of a block of fits, kept: in one batch in the registry and one transaction in the store.

    Returns use -> its version, and use -> why there is none. Raises Unreachable.
    """
    made = {name: answer for name, answer in answers.items() if isinstance(answer, Baseline)}
    logged = log_baselines(tracker, list(made.values()), fitted_by=fitted_by)
    versions = store.add_all(
        [(each, one.run_id, one.checksum) for each, one in zip(made.values(), logged, strict=True)], fitted_by, clock
    )
    refused = {name: answer for name, answer in answers.items() if isinstance(answer, Finding)}
    return dict(zip(made, versions, strict=True)), refused


def fitted_days(site: Site, versions: Sequence[BaselineVersion], *, lake: Lake) -> pl.DataFrame:
    """Energy of uses on the days of their training next to their models' prediction: seu_id, local_date,
    energy_kwh, expected_kwh. Uses that the site file names no more are left out.
    """
    by_id = {seu.seu_id: seu for seu in site.seus}
    together: dict[tuple[date, date], list[Baseline]] = {}
    for baseline in (version.baseline for version in versions if version.baseline.seu_id in by_id):
        together.setdefault((baseline.train_start, baseline.train_end), []).append(baseline)
    parts = []
    for (start, end), baselines in together.items():
        period = Period(label="", start=start, end=end, time_zone=site.time_zone)
        files = lake.parts(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
        of_site = days_in(files, site, uses_streams([by_id[each.seu_id] for each in baselines]), start=start, end=end)
        for baseline in baselines:
            days = of_site.of(by_id[baseline.seu_id])
            parts.append(
                days.select("local_date", "energy_kwh").with_columns(
                    expected_kwh=expected_days(baseline, days)["expected_kwh"], seu_id=pl.lit(baseline.seu_id)
                )
            )
    return pl.concat(parts) if parts else pl.DataFrame()


class ExpectedTask(UsesWork):
    """Request for the expected energy of uses. versions: by use; given: adjustments in force, by baseline."""

    versions: dict[str, BaselineVersion]
    given: dict[str, tuple[Adjustment, ...]]


def expected_of_site(
    site: Site,
    *,
    lake: Lake,
    store: BaselineStore,
    as_of_utc: datetime | None = None,
    fan_out: FanOut = in_order,
) -> pl.DataFrame:
    """Expected energy of each local day that the lake holds, by the newest version of each SEU (ExpectedDay).

    Approved adjustments are in it; all as known then, without an instant as known now. fan_out: who computes. Raises
    Unreachable where part of it could not be computed: days that lack a use would read as if nothing were expected.
    """
    # A provisional one rather than no line at all: whoever judges by it asks for its status.
    versions = store.in_force(site.site_id, as_of_utc=as_of_utc)
    baselines = {each.baseline_id: each.baseline for each in versions.values()}
    given = AdjustmentStore(store.store).all_in_force(baselines, as_of_utc=as_of_utc)
    parts = [empty(ExpectedDay)]
    tasks = expected_tasks(site, versions, given, lake=lake, as_of_utc=as_of_utc)
    for result in fan_out(expected_uses, tasks, what="expected days"):
        if isinstance(result.answer, Finding):
            raise Unreachable(result.answer.message)
        parts.append(result.answer)
    return pl.concat(parts)


def expected_tasks(
    site: Site,
    versions: Mapping[str, BaselineVersion],
    given: Mapping[str, Sequence[Adjustment]],
    *,
    lake: Lake,
    streams: int = STREAMS_A_BLOCK,
    as_of_utc: datetime | None = None,
) -> list[ExpectedTask]:
    """The uses that have a version, in blocks of so many streams, over all that the lake holds at T.

    versions: by use; given: adjustments by baseline. Raises Unreachable.
    """
    span = lake.span(site.site_id, as_of_utc=as_of_utc)
    if span is None:
        return []
    files = lake.parts(site.site_id, as_of_utc=as_of_utc)
    tasks = []
    for block in blocks_of(site, [seu for seu in site.seus if seu.seu_id in versions], streams):
        own = {seu.seu_id: versions[seu.seu_id] for seu in block}
        tasks.append(
            ExpectedTask(
                site=site,
                seu_ids=tuple(own),
                # The lake's days are UTC's: local ones begin up to a day before them and end up to a day behind.
                start=span[0] - timedelta(days=1),
                end=span[1] + timedelta(days=2),
                files=files,
                versions=own,
                given={each.baseline_id: tuple(given.get(each.baseline_id, ())) for each in own.values()},
            )
        )
    return tasks


def expected_uses(task: ExpectedTask) -> pl.DataFrame:
    """ExpectedDay of the uses, in their order. Pure, as `fit_uses`. Raises Unreachable."""
    expect_unchanged(task.files)
    days = days_in(task.files, task.site, uses_streams(task.seus), start=task.start, end=task.end)
    parts = []
    for seu in task.seus:
        version = task.versions[seu.seu_id]
        parts.append(
            adjusted_days(expected_days(version.baseline, days.of(seu)), task.given[version.baseline_id])
            .with_columns(
                site_id=pl.lit(task.site.site_id),
                seu_id=pl.lit(version.baseline.seu_id),
                baseline_id=pl.lit(version.baseline_id),
                baseline_version=pl.lit(version.version, dtype=pl.Int64),
            )
            .select(list(ExpectedDay.model_fields))
        )
    return pl.concat(parts)
