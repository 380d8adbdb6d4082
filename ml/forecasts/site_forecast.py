"""All forecast targets of a site: train each, issue each, keep refusals next to forecasts."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import polars as pl
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from assets.carbon.by_hour.site_match import factor_stream
from assets.sites.view import readings_in, site_readings
from assets.stores.feature_days import FeatureDays
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import LakeFile, expect_unchanged
from assets.stores.ledgers.forecasts import ForecastStore, WeatherStore
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Clock
from data_quality.contracts.work.work_port import FanOut, in_order
from ml.features.base_load import BaseLoadParts, base_load_parts
from ml.features.series import DAY, HOUR, QUARTER
from ml.forecasts.issue import findings_of, is_still_good, run_forecast, run_shadow
from ml.forecasts.lifecycle.forecast_registry import Champion, load_champion
from ml.forecasts.site_case import MEASURED
from ml.forecasts.store_features import store_features
from ml.forecasts.targets import Target, target_of, targets_of
from ml.forecasts.train import BACKTEST_DAYS, FOLDS, Training, Tried, settle, try_target
from ml.tracking import MlflowTracker

# A site's targets in so many pieces at least, so that several processes have one; the same ones whoever does them.
PIECES = 8


class TrainTask(Model):
    """Targets of one site that learn from as long a time. start_utc, end_utc: of the readings; files: of that span.

    until_utc: only readings that had ended by then. weather: as it was forecast, from the store.
    """

    site: Site
    targets: tuple[str, ...]
    start_utc: datetime
    end_utc: datetime
    until_utc: datetime
    meters: tuple[str, ...]
    files: tuple[LakeFile, ...]
    weather: tuple[WeatherIssue, ...]
    backtest_days: int
    folds: int
    tune_within_s: float


def try_targets(task: TrainTask) -> dict[str, Tried | Finding]:
    """Target -> its trial and best model, or why there is none. Pure: reads the task's files. Raises Unreachable."""
    expect_unchanged(task.files)
    readings = readings_in(task.files, task.site, start_utc=task.start_utc, end_utc=task.end_utc, meters=task.meters)
    # How many threads a product is cut into moves its last digits on some processors.
    with threadpool_limits(limits=1, user_api="blas"):
        return {
            name: try_target(
                readings,
                site=task.site,
                target=target_of(task.site, name),
                known_until_utc=task.until_utc,
                weather=task.weather,
                backtest_days=task.backtest_days,
                folds=task.folds,
                tune_within_s=task.tune_within_s,
            )
            for name in task.targets
        }


# Quarter hours that are held at once.
ROWS_A_BLOCK = 1_000_000
# Publication reaches to the end of tomorrow, by the clock of the site.
_PUBLISHED = timedelta(days=2)


class SiteTraining(Model):
    """Outcome of each target: trained, or refused with a finding."""

    trained: tuple[Training, ...] = ()
    refused: dict[str, Finding] = {}


class SiteForecasts(Model):
    """Outcome of each target: issued, or refused with a finding.

    reused: targets whose stored forecast is still good. warnings: what the forecasts say of how they were made.
    """

    forecasts: tuple[Forecast, ...] = ()
    refused: dict[str, Finding] = {}
    reused: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()


class SiteInputs:
    """Inputs of a site's forecasts up to an instant: readings, and the weather as it was forecast.

    end_utc: now for a site with live readings; for one whose readings end earlier, where they end.
    """

    def __init__(self, site: Site, lake: Lake, weather: WeatherStore | None, now_utc: datetime) -> None:
        self.site, self.lake, self.store = site, lake, weather
        self.targets = targets_of(site)
        self.end_utc = min(now_utc, _end_of_readings(site, self.targets, lake, now_utc))
        self._blocks: dict[str, list[Target]] = {}
        for history in dict.fromkeys(one.history for one in self.targets):
            self._blocks |= _in_blocks([one for one in self.targets if one.history == history], self._streams)
        self._known: tuple[list[Target], pl.DataFrame] = ([], pl.DataFrame())

    def readings(self, target: Target) -> pl.DataFrame:
        """Readings that the target and those after it rest on: their streams, and the drivers that they go by."""
        block = self._blocks.get(target.name, [target])
        # One block at a time: a site of a thousand targets does not fit.
        if self._known[0] is not block:
            meters = list(dict.fromkeys(name for one in block for name in self._streams(one)))
            self._known = (block, self._read(target.history, meters))
        return self._known[1]

    def all_streams(self, target: Target) -> pl.DataFrame:
        """Of all streams, for a target without history of its own."""
        return self._read(target.history, None)

    def training_tasks(
        self, targets: Sequence[Target], *, backtest_days: int, folds: int, tune_within_s: float
    ) -> list[TrainTask]:
        """Pieces of work on these targets, each of some that learn from as long a time. Raises Unreachable."""
        made, most = list[TrainTask](), -(-len(targets) // PIECES)
        for history in dict.fromkeys(one.history for one in targets):
            own = [one for one in targets if one.history == history]
            blocks = _in_blocks(own, self._streams, most=most)
            span: dict[str, Any] = {"start_utc": self._since(history), "end_utc": self.end_utc + _PUBLISHED}
            files = self.lake.parts(self.site.site_id, **span)
            for block in {id(block): block for block in blocks.values()}.values():
                made.append(
                    TrainTask(
                        site=self.site,
                        targets=tuple(one.name for one in block),
                        **span,
                        until_utc=self.end_utc,
                        meters=tuple(dict.fromkeys(name for one in block for name in self._streams(one))),
                        files=files,
                        weather=tuple(self.weather),
                        backtest_days=backtest_days,
                        folds=folds,
                        tune_within_s=tune_within_s,
                    )
                )
        return made

    @cached_property
    def weather(self) -> list[WeatherIssue]:
        """Weather issues for the targets' training span and the week ahead."""
        if self.store is None or not self.targets:
            return []
        span = {"start_utc": self._since(max(one.history for one in self.targets)), "end_utc": self.end_utc + 8 * DAY}
        return self.store.known(self.site.site_id, **span, available_by_utc=self.end_utc)

    def _read(self, history: timedelta, meters: list[str] | None) -> pl.DataFrame:
        span: dict[str, Any] = {"start_utc": self._since(history), "end_utc": self.end_utc + _PUBLISHED}
        return site_readings(self.lake, self.site, **span, meters=meters)

    def _streams(self, target: Target) -> list[str]:
        own = [target.stream] if target.stream else []
        if target.stream is None:
            parts = base_load_parts(self.site)
            own = [part.stream for part in parts.parts] if isinstance(parts, BaseLoadParts) else []
        # By which `measured_on` goes: the first of each unit.
        drivers = {driver.unit: driver.driver_id for driver in reversed(self.site.drivers) if driver.unit in MEASURED}
        hourly = factor_stream(self.site)
        return [*(stream.stream_id for stream in own), *drivers.values(), *([hourly] if hourly else [])]

    def _since(self, history: timedelta) -> datetime:
        # A time to live further back: of the forecast that may still be good nothing may have fallen out.
        return self.end_utc - history - 2 * DAY


def train_site(
    site: Site,
    *,
    lake: Lake,
    store: ForecastStore,
    tracker: MlflowTracker,
    clock: Clock,
    weather: WeatherStore | None = None,
    only: Collection[str] = (),
    backtest_days: int = BACKTEST_DAYS,
    folds: int = FOLDS,
    tune_within_s: float = 0.0,
    fan_out: FanOut = in_order,
) -> SiteTraining:
    """Backtest, register and promote a model of every forecast target; the decisions are kept. Raises Unreachable.

    only: names of targets, all if empty. tune_within_s: how long parameters are searched for each of them.
    fan_out: who fits and backtests; what was tried is registered here, one after the other.
    """
    trained: dict[str, Training] = {}
    refused: dict[str, Finding] = {}
    # Imported history may end months ago: hours of gaps behind it would leave nothing to score on.
    inputs = SiteInputs(site, lake, weather, clock.now_utc())
    wanted = [each for each in inputs.targets if not only or each.name in only]
    tasks = inputs.training_tasks(wanted, backtest_days=backtest_days, folds=folds, tune_within_s=tune_within_s)
    by_name = {target.name: target for target in wanted}
    for task, result in zip(tasks, fan_out(try_targets, tasks, what="trainings"), strict=True):
        answers = result.answer
        found = dict.fromkeys(task.targets, answers) if isinstance(answers, Finding) else answers
        for name, tried in found.items():
            if isinstance(tried, Finding):
                refused[name] = tried
                continue
            answer = settle(tried, site=site, target=by_name[name], tracker=tracker)
            trained[name] = answer
            store.add_promotion(answer.registered.name, answer.decision.model_dump(mode="json"), clock)
    return SiteTraining(
        trained=tuple(trained[name] for name in by_name if name in trained),
        refused={name: refused[name] for name in by_name if name in refused},
    )


def forecast_site(
    site: Site,
    *,
    lake: Lake,
    store: ForecastStore,
    tracker: MlflowTracker,
    clock: Clock,
    weather: WeatherStore | None = None,
    features_in: Path | None = None,
) -> SiteForecasts:
    """Issue and keep the forecast of every target; one that is still good is handed out again (matrix I.5).

    features_in: the data folder in which features of the first issue of each local day are kept, as it knew them.
    A site with live readings is forecast from now; one whose readings end earlier, from where they end.
    Raises Unreachable.
    """
    found, refused, reused = [], {}, []
    now = clock.now_utc()
    inputs = SiteInputs(site, lake, weather, now)
    for target in inputs.targets:
        # On the step before: the plan asks for the quarter hour in progress, and forecasts are of whole steps.
        at = _on_step(inputs.end_utc, target)
        readings, stored = inputs.readings(target), store.latest(site.site_id, target.name)
        if stored is not None and is_still_good(
            stored,
            readings,
            site=site,
            target=target,
            issued_at_utc=at,
            champion=_leading(tracker, site, target.name),
            weather=inputs.weather,
        ):
            found.append(stored)
            reused.append(target.name)
            continue
        answer = run_forecast(
            readings,
            site=site,
            target=target.name,
            issued_at_utc=at,
            available_at_utc=now,
            horizon_h=target.horizon // HOUR,
            tracker=tracker,
            weather=inputs.weather,
            read_site=partial(inputs.all_streams, target),
        )
        if isinstance(answer, Finding):
            refused[target.name] = answer
            continue
        store.add(answer, clock)
        found.append(answer)
        if features_in is not None:
            store_features(FeatureDays(features_in), site, target, readings, issued_at_utc=at, weather=inputs.weather)
        # What nothing rests on must not take with it what was issued.
        with suppress(Unreachable):
            shadow = run_shadow(readings, site=site, tracker=tracker, champion=answer, weather=inputs.weather)
            if shadow is not None:
                store.add(shadow, clock)
    findings = tuple(each for forecast in found for each in findings_of(forecast))
    return SiteForecasts(forecasts=tuple(found), refused=refused, reused=tuple(reused), warnings=findings)


def _in_blocks(
    targets: list[Target], streams_of: Callable[[Target], list[str]], *, most: int | None = None
) -> dict[str, list[Target]]:
    """Target -> those that are read with it, in their order; at most so many of them."""
    found: dict[str, list[Target]] = {}
    block: list[Target] = []
    named: set[str] = set()
    for one in targets:
        own = set(streams_of(one))
        is_full = len(named | own) * (one.history // QUARTER) > ROWS_A_BLOCK or len(block) == most
        if block and is_full:
            block, named = [], set()
        block.append(one)
        named |= own
        found[one.name] = block
    return found


def _leading(tracker: MlflowTracker, site: Site, target: str) -> Champion | None:
    """The champion; None where there is none, or where the registry does not answer: a new forecast then has a note."""
    with suppress(Unreachable):
        return load_champion(tracker, site, target)
    return None


def _on_step(moment_utc: datetime, target: Target) -> datetime:
    minutes = min(target.step, HOUR) // timedelta(minutes=1)
    return moment_utc.replace(minute=moment_utc.minute // minutes * minutes, second=0, microsecond=0)


def _end_of_readings(site: Site, targets: list[Target], lake: Lake, now_utc: datetime) -> datetime:
    """End of the readings of the forecast targets: prices of tomorrow are no readings of today."""
    span = lake.span(site.site_id)
    meters = {one.stream.stream_id for one in targets if one.stream and not one.is_published}
    if any(one.stream is None for one in targets):
        parts = base_load_parts(site)
        meters |= {part.stream.stream_id for part in parts.parts} if isinstance(parts, BaseLoadParts) else set()
    if span is None or not meters:
        return now_utc
    end = datetime.combine(span[1], time.min, tzinfo=UTC) + DAY
    recent = site_readings(lake, site, start_utc=end - 31 * DAY, end_utc=end, meters=sorted(meters))
    last = recent["interval_start_utc"].max()
    return last + timedelta(minutes=CANONICAL_MINUTES) if isinstance(last, datetime) else now_utc
