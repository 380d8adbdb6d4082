"""`meterloom baseline savings`: what a measure saved, from plain files, with its uncertainty. Nothing is stored."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import local_day, parse_day
from orchestration.operations.answer import Answer, finding_lines
from orchestration.operations.baselines.baseline_options import Files, ModelOption, TrainOption, dates_of, refusal
from orchestration.operations.operation import STATELESS, Call, Option, operation
from orchestration.operations.options import column_map

if TYPE_CHECKING:
    from assets.kpi.claims.comparison_group import CorrectedSavings
    from ml.baselines.models.fit import Fit
    from ml.baselines.savings.comparison import Member
    from ml.baselines.savings.minimum_detectable import MinimumDetectable
    from ml.baselines.savings.savings import Savings
    from ml.baselines.savings.savings_typical import NormalisedSavings
    from ml.baselines.usage_tables.usage_table import Frequency, Usage

_KEYS = (
    "expected_kwh", "actual_kwh", "savings_kwh", "delta_kwh", "uncertainty_kwh", "interval_kwh", "fsu", "claimed_kwh",
)  # fmt: skip
NO_SAVINGS: dict[str, Any] = {**dict.fromkeys(_KEYS), "bootstrap": {}}


@dataclass(frozen=True, kw_only=True)
class SavingsOptions:
    """The request: files, spans and options."""

    train: TrainOption = None
    report: Annotated[str | None, Option("Reporting period START/END, end exclusive.")] = None
    model: ModelOption = "auto"
    confidence: Annotated[float, Option("Of the interval, 0.68 to 0.99.")] = 0.9
    typical_year: Annotated[Path | None, Option("Weather of a typical year: adds normalised savings.")] = None
    option: Annotated[str, Option("IPMVP option: B (at the measure) or C (whole facility).")] = "C"
    measure: Annotated[
        list[str] | None, Option("First day of an installed measure: a step of use there is not non-routine.")
    ] = None
    comparison_group: Annotated[
        Path | None, Option("Sites without a measure (YAML), whose relative saving is taken off.")
    ] = None
    resamples: Annotated[int, Option("Of the bootstrap; 0 for none.")] = 1000
    # A fixed one: the same command prints the same interval.
    seed: Annotated[int, Option("Of the bootstrap's draws.")] = 7


@operation(
    "baseline savings",
    takes=STATELESS,
    example="--energy meter.csv --weather weather.csv --frequency daily --train 2024-01-01/2025-01-01 "
    "--report 2025-02-01/2026-02-01 --tz Europe/Berlin --json",
)
def savings(call: Call, files: Files, options: SavingsOptions) -> Answer:
    """Fit a baseline on --train and say what was saved in --report, with its uncertainty."""
    from ml.baselines.models.fit import fit_usage
    from ml.baselines.savings.minimum_detectable import minimum_detectable
    from ml.baselines.savings.savings import check_request, option_of
    from ml.baselines.savings.savings import savings as savings_of

    if files.energy is None:
        raise BadInput("baseline savings needs --energy FILE", reason="bad_request")
    if not 0 <= options.resamples <= 100_000:
        raise BadInput(f"--resamples {options.resamples}: expected 0 to 100000", reason="bad_number")
    train, report = dates_of(options.train, "--train"), dates_of(options.report, "--report")
    option, measures = option_of(options.option), [parse_day(text, "--measure") for text in options.measure or []]
    check_request(train_end=train[1], start=report[0], end=report[1], confidence=options.confidence, option=option)
    # Before the fit: a file that cannot be used is said at once.
    members = [] if options.comparison_group is None else members_of(options.comparison_group, files)
    usage = files.usage()
    today = local_day(call.clock.now_utc(), usage.zone)
    fit = fit_usage(usage, start=train[0], end=train[1], model=options.model, today=today)
    if isinstance(fit, Finding):
        return refusal("savings", [fit, *usage.findings], NO_SAVINGS)
    found = savings_of(
        fit,
        usage,
        report_start=report[0],
        report_end=report[1],
        confidence=options.confidence,
        option=option,
        measures=measures,
        resamples=options.resamples,
        seed=options.seed,
    )
    if isinstance(found, Finding):
        return refusal("savings", [found, *fit.findings], NO_SAVINGS)
    group_result = None
    if members:
        from ml.baselines.savings.comparison import compared_group, weighed

        group_result = compared_group(fit, found, members, model=options.model, today=today)
        found = weighed(found, group_result)
    # Its uncertainty is 100 % of it: a smaller saving cannot be told from none.
    smallest = minimum_detectable(fit, months=found.band.months, confidence=options.confidence, max_fsu=1.0)
    typical = options.typical_year
    normal = _normalised(files, options.model, fit, usage, found, typical) if typical is not None else None
    data = savings_data(fit, found, smallest, normal)
    # None where no group was named: an empty one would look like one that says nothing.
    corrected = None if group_result is None or isinstance(group_result, tuple) else group_result
    data["comparison_group"] = None if corrected is None else group_data(corrected)
    return Answer(data, text=savings_text(fit, found, smallest, normal, corrected))


def members_of(path: Path, files: Files) -> "list[Member]":
    """The members that a group's file names, read as the command reads its own files. Raises BadInput."""
    from data_quality.contracts.site_file.group_file import GroupFile
    from data_quality.contracts.yaml_file import load_model
    from ml.baselines.savings.comparison import Member

    found = []
    for each in load_model(path, GroupFile).members:
        named = {key: path.parent / file for key in ("energy", "weather", "drivers") if (file := getattr(each, key))}
        found.append(Member(each.name, replace(files, meter=each.meter, **named).usage(), each.measures))
    return found


def group_data(found: "CorrectedSavings") -> dict[str, Any]:
    """A corrected saving with the share of each member."""
    members = [{**each.model_dump(), "share": each.share} for each in found.members]
    return {**found.model_dump(exclude={"members", "findings"}), "members": members}


def _normalised(
    files: Files, model: str, fit: "Fit", usage: "Usage", found: "Savings", typical_year: Path
) -> "NormalisedSavings | Finding":
    from ml.baselines.savings.savings_typical import normalised_savings
    from ml.baselines.usage_tables.read_usage import Source, read_usage

    # A model of bills is asked for days: its coefficients are per day.
    frequency: Frequency = "hourly" if usage.frequency == "hourly" else "daily"
    weather = Source(typical_year, column_map(files.weather_map))
    return normalised_savings(
        fit,
        usage,
        read_usage(None, weather, frequency=frequency, zone=usage.zone, country=""),
        report_start=found.report_start,
        report_end=found.report_end,
        confidence=found.confidence,
        model=model,
    )


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
        "minimum_detectable": smallest,
        "normalised": normal,
    }


def savings_text(
    fit: "Fit",
    found: "Savings",
    smallest: "MinimumDetectable | Finding",
    normal: "NormalisedSavings | Finding | None",
    group_result: "CorrectedSavings | None" = None,
) -> str:
    """A saving for people: unit and zone named, the claim apart from the arithmetic."""
    from reports.texts.locales import format_alike

    unit, band = found.unit, found.band
    expected, actual, saved, half, low, high = format_alike(
        [found.expected_kwh, found.actual_kwh, found.savings_kwh, found.uncertainty_kwh, *found.interval_kwh], unit
    )
    fsu = f", {found.fsu:.1%} of it (FSU)" if found.fsu is not None else "; nothing was saved, so it has no share (FSU)"
    claimed = "nothing is claimed (see the findings)"
    if found.claimed_kwh is not None:
        claimed = f"claimed: {format_alike([found.claimed_kwh], unit)[0]} {unit}"
    lines = [
        f"avoided energy, {found.report_start} to {found.report_end} ({fit.training.zone}): {saved} ± {half} {unit} at "
        f"{found.confidence:.0%} ({found.savings_percent:+.1f} %)",
        claimed,
        "",
        f"  expected {expected} {unit}, actual {actual} {unit}, {found.coverage:.1%} read; IPMVP option "
        f"{found.option.value}, reporting conditions",
        f"  between {low} and {high} {unit}; the uncertainty is ± {half} {unit}{fsu}",
        f"  G14 form ± {band.delta_e:,.1f} (k {band.k:.4f}, t {band.t:.3f}, CV(RMSE) {band.cvrmse:.2%}, n {band.n}, "
        f"n′ {band.n_effective:.1f}, m {band.m}), exact algebra ± {band.exact:,.1f}; stated: {band.method}",
    ]
    if found.bootstrap is not None:
        drawn = found.bootstrap
        lines.append(
            f"  block bootstrap {drawn.low:,.1f} to {drawn.high:,.1f} {unit} ({drawn.resamples} × {drawn.block_rows} "
            f"rows, seed {drawn.seed})"
        )
    if not isinstance(smallest, Finding):
        lines.append(f"  smallest detectable saving: {smallest.fraction:.1%} of the expected energy")
    if isinstance(normal, Finding):
        lines.append(f"  normalised: {normal.code}: {normal.message}")
    elif normal is not None:
        lines.append(
            f"  normalised to the typical year: {normal.savings_kwh:,.1f} ± {normal.uncertainty_kwh:,.1f} {unit} "
            f"({normal.savings_percent:+.2f} %)"
        )
    if group_result is not None:
        lines += group_lines(group_result, unit)
    return "\n".join([*lines, *finding_lines(found.findings)])


def group_lines(found: "CorrectedSavings", unit: str) -> list[str]:
    """A corrected saving for people, and what each member saved."""
    claimed = "claimed" if found.claimed_kwh is not None else "not claimed"
    return [
        f"  against the comparison group: {found.savings_kwh:,.1f} ± {found.uncertainty_kwh:,.1f} {unit} at "
        f"{found.confidence:.0%} ({found.savings_percent:+.1f} %), {claimed}",
        f"  {len(found.members)} members saved {found.group_share:+.1%} of the expected on average (spread "
        f"{found.spread_share:.1%}): " + ", ".join(f"{each.name} {each.share:+.1%}" for each in found.members),
    ]
