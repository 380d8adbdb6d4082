"""`meterloom forecast backtest|run`: how good a forecast of plain files is, and one forecast; nothing is stored."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import parse_instant
from orchestration.operations.answer import Answer, Table, finding_lines
from orchestration.operations.baselines.baseline_options import refusal
from orchestration.operations.operation import STATELESS, Call, Option, Written, operation
from orchestration.operations.options import MapOption, column_map, write_file

if TYPE_CHECKING:
    from datetime import datetime

    from data_quality.contracts.control.forecast import BacktestScore
    from ml.forecasts.file_case import FileCase
    from ml.forecasts.file_forecast import FileBacktest

_HORIZON = re.compile(r"(\d{1,4}) ?(min|h|d)")
_SECONDS = {"min": 60, "h": 3600, "d": 86400}
_KEYS = ("nrmse", "wape", "mase", "pinball", "coverage_p10_p90", "coverage_p5_p95", "crps", "bias", "n")
_FOLDS = (
    "month: {name} | NRMSE: {score.nrmse:.1%} | last week: {floor.nrmse:.1%} | WAPE: {score.wape:.1%} "
    "| P10–P90 covers: {score.coverage_p10_p90:.0%} | days: {origins}"
)
_PARTS = (
    ": {part} | NRMSE: {nrmse:.1%} | last week: {floor_nrmse:.1%} | skill: {skill:+.0%} "
    "| P10–P90 covers: {coverage_p10_p90:.0%}"
)
_ROWS = "time_utc | P10: {p10:.2f} | P50: {p50:.2f} | P90: {p90:.2f}"


@dataclass(frozen=True, kw_only=True)
class MeterFiles:
    """Energy and weather files of one meter and how to read them."""

    energy: Annotated[Path | None, Option("Energy: timestamp,<kwh|kw|m3 …>.")] = None
    weather: Annotated[Path | None, Option("Weather: timestamp,temp_degc[,ghi_w_per_m2 …], a horizon's too.")] = None
    meter: Annotated[str | None, Option("Which meter of the energy file.")] = None
    tz: Annotated[str | None, Option("Zone of the local calendar (IANA).")] = None
    mapping: MapOption = None
    weather_map: Annotated[Path | None, Option("Column map (YAML) of the weather file.")] = None
    country: Annotated[str | None, Option("Whose public holidays count (ISO 3166); 'none' for no holidays.")] = None
    subdivision: Annotated[str | None, Option("Part of the country with its holidays.")] = None
    zero_is_missing: Annotated[bool, Option("Whether a zero is no reading.", "--zero-is-missing/--zero-is-use")] = True

    def case(
        self, ahead: timedelta = timedelta(hours=1), until_utc: "datetime | None" = None, *, country: str | None = None
    ) -> "FileCase":
        """The case of the files, with weather as far ahead. country: instead of that of the zone. Raises BadInput."""
        from ml.baselines.usage_tables.read_usage import Source
        from ml.forecasts.file_case import read_case

        if self.energy is None:
            raise BadInput("expected an energy file", reason="no_rows", mend="give --energy FILE")
        named = country or self.country
        return read_case(
            Source(self.energy, column_map(self.mapping), self.meter),
            None if self.weather is None else Source(self.weather, column_map(self.weather_map)),
            horizon=ahead,
            zone=self.tz,
            country="" if named == "none" else named,
            subdivision=self.subdivision,
            zero_is_missing=self.zero_is_missing,
            until_utc=until_utc,
        )


@dataclass(frozen=True, kw_only=True)
class ForecastFiles(MeterFiles):
    """The files of a forecast, and how far ahead it is."""

    horizon: Annotated[str, Option("How far ahead: 24h, 2d, up to 7d.")] = "24h"

    def known(self, until_utc: "datetime | None" = None) -> "FileCase":
        """The case of the files. Raises BadInput."""
        return self.case(self.ahead, until_utc)

    @property
    def ahead(self) -> timedelta:
        """The horizon as a length of time. Raises BadInput."""
        found = _HORIZON.fullmatch(self.horizon.strip())
        if found is None:
            raise BadInput(f"--horizon {self.horizon!r}: expected such as 24h, 2d or 90min", reason="bad_horizon")
        return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])

    def steps(self, known: "FileCase") -> int:
        """The horizon in steps of the case. Raises BadInput where it is none of a whole number of them."""
        from ml.forecasts.file_forecast import expect_horizon

        step = known.case.series.step
        if self.ahead % step:
            minutes = step // timedelta(minutes=1)
            raise BadInput(f"--horizon {self.horizon}: expected whole steps of {minutes} minutes", reason="bad_horizon")
        return expect_horizon(self.ahead // step, known.case.series.per_day)


@operation(
    "forecast backtest",
    takes=STATELESS,
    example="--energy meter.csv --weather weather.csv --horizon 24h --folds 12 --tz Europe/London",
)
def backtest(
    call: Call,
    files: ForecastFiles,
    folds: Annotated[int, Option("How many months, the last ones.")] = 3,
) -> Answer:
    """Forecast the last months of a file day by day, each from what was known before it, and score that.

    A model is fitted on the first of each month on everything before it and asked at 00:00 local of each day. The floor
    is the same hour of the week before. Zero counts as missing; the weather given is taken as known at each issue.
    """
    from ml.forecasts.file_forecast import backtest_file

    call.doing("reading the files")
    known = files.known()
    steps, done = files.steps(known), list[str]()

    def doing(month: str) -> None:
        call.doing("forecasting the months", month, done=len(done), of=folds)
        done.append(month)

    found = backtest_file(known, folds=folds, horizon=steps, doing=doing)
    if isinstance(found, Finding):
        return refusal(
            "score", [found, *known.findings], {"target": known.target, **dict.fromkeys((*_KEYS, "day_wape"))}
        )
    result = {
        "target": known.target,
        "model": found.score.model_name,
        **_figures(found.score),
        "day_wape": found.day_wape,
        "floor": {"model": found.floor.model_name, **_figures(found.floor), "day_wape": found.floor_day_wape},
        "folds": [
            {
                "name": fold.name,
                "start": fold.start,
                "origins": fold.origins,
                "trained_steps": fold.trained_steps,
                **(dict.fromkeys(_KEYS) if fold.score is None else _figures(fold.score)),
                "floor": None if fold.floor is None else _figures(fold.floor),
            }
            for fold in found.folds
        ],
        "by_lead": found.by_lead,
        "by_season": found.by_season,
        "left_out_steps": found.left_out_steps,
        "horizon": files.horizon,
        "unit": known.case.series.unit,
        "step_minutes": known.case.series.step // timedelta(minutes=1),
        "zone": known.zone,
        "findings": found.findings,
    }
    return Answer(result, _backtest_tables(known, found))


def _figures(score: "BacktestScore") -> dict[str, float | int | None]:
    return {key: getattr(score, key) for key in _KEYS}


def _backtest_tables(known: "FileCase", found: "FileBacktest") -> list[Table | str]:
    one, floor = found.score, found.floor
    wide = "" if one.coverage_p5_p95 is None else f", P5 to P95 {one.coverage_p5_p95:.0%}"
    of_days = "" if found.day_wape is None else f" by step, {found.day_wape:.1%} by day"
    head = (
        f"{known.target}, {one.model_name}: NRMSE {one.nrmse:.1%} (same hour last week {floor.nrmse:.1%}), "
        f"WAPE {one.wape:.1%}{of_days}, MASE {one.mase:.2f}\n"
        f"P10 to P90 covers {one.coverage_p10_p90:.0%}{wide} of {one.n} steps on {one.folds} days; "
        f"{found.left_out_steps} steps left out for gaps"
    )
    folds = Table([fold for fold in found.folds if fold.score is not None], _FOLDS)
    blocks: list[Table | str] = [head, "", folds]
    for title, parts in (("by time ahead", found.by_lead), ("by season", found.by_season)):
        if len(parts) > 1:
            blocks += ["", f"{title}:", Table(parts, _PARTS)]
    return [*blocks, *finding_lines(found.findings, "")]


@operation(
    "forecast run",
    takes=STATELESS,
    example="--energy meter.csv --weather weather.csv --issue 2025-03-01T00:00+01:00 --horizon 48h",
)
def run(
    call: Call,
    files: ForecastFiles,
    issue: Annotated[str, Option("The instant from which on to forecast (ISO 8601).")],
    picture: Annotated[Path | None, Written("Draw the forecast behind the last days (PNG).", metavar="FILE")] = None,
) -> Answer:
    """Forecast the steps from an instant on, from the readings that had ended by then; nothing later is looked at."""
    from ml.forecasts.file_forecast import forecast_file

    issue_utc = parse_instant(issue, files.tz or "")
    call.doing("reading the files")
    known = files.known(issue_utc)
    steps = files.steps(known)
    call.doing("fitting the model")
    found = forecast_file(known, issue_utc=issue_utc, horizon=steps)
    head = {"target": known.target, "issued_at_utc": issue_utc, "zone": known.zone}
    if isinstance(found, Finding):
        return refusal("forecast", [found, *known.findings], {**head, "rows": []})
    if picture is not None:
        from orchestration.previews import forecast_picture

        write_file(picture, forecast_picture(known.case.series, found.rows, title=known.target, time_zone=known.zone))
        call.say(f"the forecast is drawn in {picture}")
    summary = f"{known.target}, {found.unit}, by {found.model}, from {found.trained_steps} steps before the issue"
    moved = ["What moved it:", *(f"  {line}" for line in found.why)] if found.why else []
    labels = [f"{name}: {text}" for name, text in found.labels.items()]
    return Answer(
        {**head, **{name: getattr(found, name) for name in type(found).model_fields}},
        [Table(found.rows, _ROWS), summary, *labels, *moved, *finding_lines(found.findings, "")],
    )
