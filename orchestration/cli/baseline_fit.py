"""`meterloom baseline fit`: a baseline from plain files, or those of a site's SEUs over the periods it names."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from orchestration.cli.baseline_options import Files, ModelOption, TrainOption, dates_of
from orchestration.cli.frame import CHECK_FAILED, DONE, Answer, Call, command

if TYPE_CHECKING:
    from ml.baselines.fit import Fit

_STATISTICS = (
    "r2", "r2_adj", "cvrmse_n", "cvrmse_g14", "cvrmse_caltrack", "nmbe_in_sample", "nmbe_out_of_sample",
    "cvrmse_out_of_sample", "pnrmse", "f_p_value", "rho1", "durbin_watson",
)  # fmt: skip
_PER = {"hourly": "hour", "daily": "day", "billing": "day"}
_SHOWN_TERMS = 12


def register(group: typer.Typer, of_site: Callable[[Call, str, str | None], Answer]) -> None:
    """Put the command on the group of baselines. of_site: fits and registers the baselines of a project's site."""

    @command(
        group,
        "fit",
        example="meterloom baseline fit --energy meter.csv --weather weather.csv --frequency daily "
        "--train 2024-01-01/2025-01-01 --tz Europe/Berlin --json",
    )
    def fit(
        call: Call,
        files: Files,
        site: Annotated[str | None, typer.Option("--site", help="A site of the project: fit and register.")] = None,
        seu: Annotated[str | None, typer.Option("--seu", help="Only this SEU, with --site.")] = None,
        train: TrainOption = None,
        model: ModelOption = "auto",
        profile: Annotated[
            str | None, typer.Option("--profile", help="Accuracy profile to judge by; exit code 1 where it fails.")
        ] = None,
        confidence: Annotated[float, typer.Option("--confidence", help="Of the coefficients' intervals, 0–1.")] = 0.9,
    ) -> Answer:
        """Fit one baseline to plain files, nothing stored; or, with --site, register those of a project's SEUs."""
        if (site is None) == (files.energy is None):
            raise BadInput("give --energy FILE or --site SITE", reason="bad_request")
        if site is not None:
            return of_site(call, site, seu)
        if not 0 < confidence < 1:
            raise BadInput(f"--confidence {confidence:g}: expected a share between 0 and 1", reason="bad_number")
        return _fit_files(call, files, train=train, model=model, profile=profile, confidence=confidence)


def _fit_files(
    call: Call, files: Files, *, train: str | None, model: str, profile: str | None, confidence: float
) -> Answer:
    from ml.baselines.fit import fit_usage
    from ml.baselines.profiles import check_name, judge, judge_all

    start, end = dates_of(train, "--train")
    if profile is not None:
        check_name(profile)
    usage = files.usage()
    today = call.clock.now_utc().date()
    found = fit_usage(usage, start=start, end=end, model=model, today=today)
    if isinstance(found, Finding):
        return refusal(found, usage.findings)
    judged = (judge(profile, found),) if profile is not None else judge_all(found)
    failed = profile is not None and judged[0].verdict == "fail"
    data = fit_data(found, confidence=confidence) | {"accuracy": [each.model_dump() for each in judged]}
    lines = [fit_text(found), *(f"  {each.profile}: {each.verdict} ({each.rule})" for each in judged)]
    return Answer(data=data, text="\n".join(lines), exit_code=CHECK_FAILED if failed else DONE)


def refusal(finding: Finding, others: tuple[Finding, ...]) -> Answer:
    """No number, and why: every key is there, none looks like a figure."""
    findings = [finding, *others]
    data: dict[str, Any] = {"model": None, "coefficients": {}, "n": None, **dict.fromkeys(_STATISTICS), "digest": None}
    data["findings"] = [each.model_dump() for each in findings]
    text = "\n".join(["no baseline", *(f"  {each.severity}: {each.code}: {each.message}" for each in findings)])
    return Answer(data=data, text=text, exit_code=CHECK_FAILED)


def fit_data(found: "Fit", *, confidence: float) -> dict[str, Any]:
    """A fit with the keys of the contract."""
    stats = found.statistics.model_dump()
    return {
        "model": found.model,
        "frequency": found.frequency,
        "zone": found.training.zone,
        "unit": found.unit,
        "target_unit": f"{found.unit}/{_PER[found.frequency]}",
        "train": {"start": found.train_start, "end": found.train_end},
        "coefficients": found.coefficients,
        "balance_points_degc": found.balance_points_degc,
        "terms": [term.model_dump() | {"t": _t(term.value, term.standard_error)} for term in found.terms(confidence)],
        "confidence": confidence,
        "n": found.n,
        "n_params": found.n_params,
        **{name: stats[name] for name in _STATISTICS},
        "driver_ranges": {name: list(ends) for name, ends in found.driver_ranges.items()},
        "selection": [dict(each) for each in found.selection],
        "findings": [finding.model_dump() for finding in found.findings],
        "is_blocked": any(finding.is_blocking for finding in found.findings),
        "digest": found.digest,
    }


def _t(value: float, error: float) -> float | None:
    return value / error if error > 0 else None


def fit_text(found: "Fit") -> str:
    """A fit for people."""
    stats, coefficients = found.statistics, list(found.coefficients.items())
    terms = " ".join(
        f"{value:+.6g}{'' if name == 'intercept' else ' × ' + name}" for name, value in coefficients[:_SHOWN_TERMS]
    )
    more = f" … ({len(coefficients)} terms; --json gives all)" if len(coefficients) > _SHOWN_TERMS else ""
    bases = ", ".join(f"{name} {value:g} °C" for name, value in found.balance_points_degc.items())
    lines = [
        f"{found.model}, {found.frequency}, {found.train_start} to {found.train_end} ({found.training.zone}): "
        f"{found.unit}/{_PER[found.frequency]} = {terms}{more}",
        *([f"  balance points: {bases}"] if bases else []),
        f"  n {stats.n}, R² {stats.r2:.4f}, CV(RMSE) {stats.cvrmse_n:.2%} (n), {stats.cvrmse_g14:.2%} (n − p), "
        f"{stats.cvrmse_caltrack:.2%} (n − c), {stats.cvrmse_out_of_sample:.2%} held out by month; "
        f"NMBE held out {stats.nmbe_out_of_sample:+.2%}",
        f"  {len(found.selection)} candidates; digest {found.digest[:12]}",
    ]
    lines += [f"  {finding.severity}: {finding.code}: {finding.message}" for finding in found.findings]
    return "\n".join(lines)
