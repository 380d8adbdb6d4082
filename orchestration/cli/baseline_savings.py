"""`meterloom baseline savings`: what a measure saved, from plain files, with its uncertainty. Nothing is stored."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import parse_day
from orchestration.cli.baseline_options import Files, ModelOption, TrainOption, dates_of
from orchestration.cli.frame import CHECK_FAILED, Answer, Call, command
from orchestration.cli.sniff import column_map

if TYPE_CHECKING:
    from ml.baselines.fit import Fit
    from ml.baselines.minimum_detectable import MinimumDetectable
    from ml.baselines.savings import Savings
    from ml.baselines.savings_typical import NormalisedSavings
    from ml.baselines.usage import Frequency, Usage

_EXAMPLE = (
    "meterloom baseline savings --energy meter.csv --weather weather.csv --frequency daily "
    "--train 2024-01-01/2025-01-01 --report 2025-02-01/2026-02-01 --tz Europe/Berlin --json"
)
_KEYS = (
    "expected_kwh", "actual_kwh", "savings_kwh", "delta_kwh", "uncertainty_kwh", "interval_kwh", "fsu", "claimed_kwh",
)  # fmt: skip
ReportOption = Annotated[str | None, typer.Option("--report", help="Reporting period START/END, end exclusive.")]
TypicalOption = Annotated[
    Path | None, typer.Option("--typical-year", help="Weather of a typical year: normalised savings beside.")
]
ConfidenceOption = Annotated[float, typer.Option("--confidence", help="Of the interval, 0.68 to 0.99.")]
IpmvpChoice = Annotated[str, typer.Option("--option", help="IPMVP option: B (at the measure) or C (whole facility).")]
MeasureOption = Annotated[
    list[str] | None,
    typer.Option("--measure", help="First day of an installed measure: a step of use there is not non-routine."),
]
ResamplesOption = Annotated[int, typer.Option("--resamples", help="Of the bootstrap; 0 for none.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the bootstrap's draws.")]


def register_savings(group: typer.Typer) -> None:
    """Put the command on the group of baselines."""

    @command(group, "savings", example=_EXAMPLE)
    def savings(
        call: Call,
        files: Files,
        train: TrainOption = None,
        report: ReportOption = None,
        model: ModelOption = "auto",
        confidence: ConfidenceOption = 0.9,
        typical_year: TypicalOption = None,
        option: IpmvpChoice = "C",
        measure: MeasureOption = None,
        resamples: ResamplesOption = 1000,
        seed: SeedOption = 7,
    ) -> Answer:
        """Fit a baseline on --train and say what was saved in --report, with its uncertainty."""
        if files.energy is None:
            raise BadInput("baseline savings needs --energy FILE", reason="bad_request")
        if not 0 <= resamples <= 100_000:
            raise BadInput(f"--resamples {resamples}: expected 0 to 100000", reason="bad_number")
        asked = _Asked(call, train, report, model, confidence, option, measure or [], resamples, seed)
        return _answer(files, asked, typical_year)


class _Asked:
    """What is asked of the files, checked: dates, option, confidence."""

    def __init__(
        self, call: Call, train: str | None, report: str | None, model: str, confidence: float, option: str,
        measures: list[str], resamples: int, seed: int,
    ) -> None:  # fmt: skip
        from ml.baselines.savings import option_of

        self.train, self.report = dates_of(train, "--train"), dates_of(report, "--report")
        self.model, self.confidence = model, confidence
        self.option, self.measures = option_of(option), [parse_day(text, "--measure") for text in measures]
        self.resamples, self.seed = resamples, seed
        self.today = call.clock.now_utc().date()


def _answer(files: Files, asked: _Asked, typical_year: Path | None) -> Answer:
    from ml.baselines.fit import fit_usage
    from ml.baselines.minimum_detectable import minimum_detectable
    from ml.baselines.savings import check_request, savings

    check_request(
        train_end=asked.train[1],
        start=asked.report[0],
        end=asked.report[1],
        confidence=asked.confidence,
        option=asked.option,
    )
    usage = files.usage()
    fit = fit_usage(usage, start=asked.train[0], end=asked.train[1], model=asked.model, today=asked.today)
    if isinstance(fit, Finding):
        return _refusal(fit, usage.findings)
    found = savings(
        fit,
        usage,
        report_start=asked.report[0],
        report_end=asked.report[1],
        confidence=asked.confidence,
        option=asked.option,
        measures=asked.measures,
        resamples=asked.resamples,
        seed=asked.seed,
    )
    if isinstance(found, Finding):
        return _refusal(found, fit.findings)
    smallest = minimum_detectable(fit, months=found.band.months, confidence=asked.confidence, max_fsu=1.0)
    normal = _normalised(files, asked, fit, usage, typical_year) if typical_year else None
    data = savings_data(fit, found, smallest, normal)
    return Answer(data=data, text=savings_text(fit, found, smallest, normal))


def _normalised(
    files: Files, asked: _Asked, fit: "Fit", usage: "Usage", typical_year: Path
) -> "NormalisedSavings | Finding":
    from ml.baselines.read_usage import Source, read_usage
    from ml.baselines.savings_typical import normalised_savings

    # A model of bills is asked for days: its coefficients are per day.
    frequency: Frequency = "hourly" if usage.frequency == "hourly" else "daily"
    weather = Source(typical_year, column_map(files.weather_map))
    typical = read_usage(None, weather, frequency=frequency, zone=usage.zone, country="")
    return normalised_savings(
        fit,
        usage,
        typical,
        report_start=asked.report[0],
        report_end=asked.report[1],
        confidence=asked.confidence,
        model=asked.model,
    )


def _refusal(finding: Finding, others: tuple[Finding, ...]) -> Answer:
    """No saving, and why: every key is there, none looks like a figure."""
    findings = [finding, *others]
    data: dict[str, Any] = dict.fromkeys(_KEYS)
    data["bootstrap"] = {}
    data["findings"] = [each.model_dump() for each in findings]
    text = "\n".join(["no savings", *(f"  {each.severity}: {each.code}: {each.message}" for each in findings)])
    return Answer(data=data, text=text, exit_code=CHECK_FAILED)


def savings_data(
    fit: "Fit", found: "Savings", smallest: "MinimumDetectable | Finding", normal: "NormalisedSavings | Finding | None"
) -> dict[str, Any]:
    """A saving with the keys of the contract, and what it rests on."""
    from dataclasses import asdict

    band = asdict(found.band)
    band.pop("findings")
    return {
        **found.model_dump(exclude={"band", "bootstrap", "report_start", "report_end"}),
        "train": {"start": fit.train_start, "end": fit.train_end},
        "report": {"start": found.report_start, "end": found.report_end},
        "zone": fit.training.zone,
        "frequency": fit.frequency,
        "model": fit.model,
        "cvrmse_g14": fit.statistics.cvrmse_g14,
        "digest": fit.digest,
        "band": band,
        "bootstrap": asdict(found.bootstrap) if found.bootstrap is not None else {},
        "minimum_detectable": smallest.model_dump(),
        "normalised": None if normal is None else normal.model_dump(),
    }


def savings_text(
    fit: "Fit", found: "Savings", smallest: "MinimumDetectable | Finding", normal: "NormalisedSavings | Finding | None"
) -> str:
    """A saving for people: unit and zone named, the claim apart from the arithmetic."""
    unit, band, low_high = found.unit, found.band, found.interval_kwh
    fsu = f"FSU {found.fsu:.1%}" if found.fsu is not None else "no FSU (nothing was saved)"
    lines = [
        f"avoided energy (IPMVP option {found.option.value}, reporting conditions), {found.report_start} to "
        f"{found.report_end} ({fit.training.zone}): {found.savings_kwh:,.1f} {unit} ({found.savings_percent:+.2f} %)",
        f"  expected {found.expected_kwh:,.1f} {unit}, actual {found.actual_kwh:,.1f} {unit}, "
        f"coverage {found.coverage:.1%}",
        f"  ± {found.uncertainty_kwh:,.1f} {unit} at {found.confidence:.0%}: {low_high[0]:,.1f} to "
        f"{low_high[1]:,.1f}; {fsu}",
        f"  G14 form ± {band.delta_e:,.1f} (k {band.k:.4f}, t {band.t:.3f}, CV(RMSE) {band.cvrmse:.2%}, n {band.n}, "
        f"n′ {band.n_effective:.1f}, m {band.m}), exact algebra ± {band.exact:,.1f}; stated: {band.method}",
    ]
    if found.bootstrap is not None:
        drawn = found.bootstrap
        lines.append(
            f"  block bootstrap {drawn.low:,.1f} to {drawn.high:,.1f} {unit} ({drawn.resamples} × {drawn.block_rows} "
            f"rows, seed {drawn.seed})"
        )
    claimed = "nothing (see findings)" if found.claimed_kwh is None else f"{found.claimed_kwh:,.1f} {unit}"
    lines.append(f"  claimed: {claimed}")
    if not isinstance(smallest, Finding):
        lines.append(f"  smallest detectable saving: {smallest.fraction:.1%} of the expected energy")
    if isinstance(normal, Finding):
        lines.append(f"  normalised: {normal.code}: {normal.message}")
    elif normal is not None:
        lines.append(
            f"  normalised to the typical year: {normal.savings_kwh:,.1f} ± {normal.uncertainty_kwh:,.1f} {unit} "
            f"({normal.savings_percent:+.2f} %)"
        )
    lines += [f"  {finding.severity}: {finding.code}: {finding.message}" for finding in found.findings]
    return "\n".join(lines)
