"""`meterloom baseline fit`: a baseline from plain files, or those of a site's SEUs over the periods it names."""

from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Role
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table, finding_lines
from orchestration.operations.baselines.baseline_line import details, version_text
from orchestration.operations.baselines.baseline_options import Files, ModelOption, TrainOption, dates_of, refusal
from orchestration.operations.operation import ACTS, Call, Option, operation
from reports.writer import words

if TYPE_CHECKING:
    from ml.baselines.models.fit import Fit

_STATISTICS = (
    "r2", "r2_adj", "cvrmse_n", "cvrmse_g14", "cvrmse_caltrack", "nmbe_in_sample", "nmbe_out_of_sample",
    "cvrmse_out_of_sample", "pnrmse", "f_p_value", "rho1", "durbin_watson",
)  # fmt: skip
_KEYS = ("model", "coefficients", "n", *_STATISTICS, "digest")
# Bills are of odd lengths, so their model is fitted per day.
_PER = {"hourly": "hour", "daily": "day", "billing": "day"}
ACCURACY = "accuracy by: {profile} | verdict: {verdict_words} | what it asks: {rule}"
# An hourly model has a term for most hours of the week: a terminal shows how it begins.
_SHOWN_TERMS = 12


@operation(
    "baseline fit",
    repeats=True,
    takes=ACTS,
    example="--energy meter.csv --weather weather.csv --frequency daily --train 2024-01-01/2025-01-01 "
    "--tz Europe/Berlin --json",
)
def fit(
    call: Call,
    files: Files,
    site: Annotated[str | None, Option("A site of the project: fit and register.")] = None,
    seu: Annotated[str | None, Option("Only this SEU, with --site.")] = None,
    train: TrainOption = None,
    model: ModelOption = "auto",
    profile: Annotated[str | None, Option("Accuracy profile to judge by; exit code 1 where it fails.")] = None,
    confidence: Annotated[float, Option("Of the coefficients' intervals, 0–1.")] = 0.9,
) -> Answer:
    """Fit one baseline to plain files, nothing stored; or, with --site, register those of a project's SEUs."""
    if (site is None) == (files.energy is None):
        raise BadInput("give --energy FILE or --site SITE", reason="bad_request")
    if site is not None:
        if files != Files() or (model, profile, confidence) != ("auto", None, 0.9):
            raise BadInput(
                "--site goes with --seu and --train alone: readings, drivers and holidays are those of the site file",
                reason="bad_request",
            )
        return _fit_site(call, site, seu, train)
    if not 0 < confidence < 1:
        raise BadInput(f"--confidence {confidence:g}: expected a share between 0 and 1", reason="bad_number")
    return _fit_files(call, files, train=train, model=model, profile=profile, confidence=confidence)


def _write_training(call: Call, site: Site, seu: str | None, train: str) -> None:
    """Write the period into the site file, for the uses that have none. Raises BadInput where one has another."""
    from assets.sites.edit_site import rewritten
    from assets.sites.load_sites import load_site, site_file
    from data_quality.contracts.yaml_file import with_key
    from orchestration.operations.signing import edit_record

    start, end = dates_of(train, "--train")
    path = site_file(call.project.project.sites_dir, site.site_id, call.project.cache)
    missing = list[int]()
    for at, use in enumerate(site.seus):
        if seu not in (None, use.seu_id):
            continue
        if use.baseline is None:
            missing.append(at)
        elif (use.baseline.start, use.baseline.end) != (start, end):
            raise BadInput(
                f"the baseline of {use.seu_id} is of {use.baseline.start}/{use.baseline.end}, --train says {train}",
                file=str(path),
                reason="bad_period",
                mend="change the period there, or leave --train out",
            )

    def trained(text: str) -> str:
        for at in missing:
            period = f"{{start: {start}, end: {end}}}"
            text = with_key(text, ("seus", at), "baseline", period, beside="seu_id", file=str(path))
        return text

    if missing:
        with rewritten(path, load_site, trained, edit_record(call, site.site_id)):
            pass


def _fit_site(call: Call, site: str, seu: str | None, train: str | None) -> Answer:
    """Fit and register the baselines of a site's SEUs over the periods that the site file names."""
    from orchestration.instance.write import enter
    from orchestration.month_keys import month_ranges

    enter(call.project.project)
    from orchestration.runner import open_runner
    from orchestration.warehouse.fresh import freshen_marts
    from reports.recompute.figure_sources import seu_of

    project, known = call.project, call.project.site(site)
    who = call.acting(Role.ANALYST).person_id
    if seu is not None:
        # A name that there is not must not pass for a use without baseline.
        seu_of(known, seu)
    if train is not None:
        _write_training(call, known, seu, train)
    freshen_marts(project, clock=call.clock, doing=call.doing)
    call.doing(f"fitting the baselines of {site}")
    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        config = {"core_seu__baseline": {"config": {"fitted_by": who, **({"seu": seu} if seu else {})}}}
        refused = runner.run("baseline", partition=known.site_id, config=config).findings
        # A new version makes the EnPIs of its months stale: recomputed before anybody looks.
        runner.build_marts(month_ranges(project.stage("enpi").stale()), job="enpi", say=call.say)
    # The newest version of each baseline.
    newest = {version.baseline_id: version for version in project.baselines.versions(known.site_id)}
    found = [version for version in newest.values() if seu in (None, version.baseline.seu_id)]
    missing = [s.seu_id for s in known.seus if seu in (None, s.seu_id)]
    missing = [name for name in missing if name not in {v.baseline.seu_id for v in found}]
    lines = [*(version_text(version) for version in found), *(f"{name}: no baseline" for name in missing)]
    text = "\n".join([*lines, *finding_lines(refused)])
    result = {"baselines": [details(version) for version in found], "without_baseline": missing, "findings": refused}
    return Answer(result, text=f"{text}\n{call.then(known.site_id)}", exit_code=DONE if found else CHECK_FAILED)


def _fit_files(
    call: Call, files: Files, *, train: str | None, model: str, profile: str | None, confidence: float
) -> Answer:
    from ml.baselines.models.fit import fit_usage
    from ml.baselines.models.profiles import check_name, judge, judge_all

    start, end = dates_of(train, "--train")
    if profile is not None:
        check_name(profile)
    usage = files.usage()
    today = local_day(call.clock.now_utc(), usage.zone)
    found = fit_usage(usage, start=start, end=end, model=model, today=today)
    if isinstance(found, Finding):
        return refusal("baseline", [found, *usage.findings], {**dict.fromkeys(_KEYS), "coefficients": {}})
    judged = (judge(profile, found),) if profile is not None else judge_all(found)
    failed = profile is not None and judged[0].verdict == "fail"
    result = fit_data(found, confidence=confidence) | {"accuracy": judged}
    return Answer(
        result,
        (fit_text(found), "", Table(judged, ACCURACY, verdict_words=lambda each: words(each.verdict))),
        exit_code=CHECK_FAILED if failed else DONE,
    )


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
        "findings": found.findings,
        "is_blocked": any(finding.is_blocking for finding in found.findings),
        "digest": found.digest,
    }


def _t(value: float, error: float) -> float | None:
    # A perfect fit leaves no error to divide by.
    return value / error if error > 0 else None


def fit_text(found: "Fit") -> str:
    """A fit for people."""
    stats, coefficients = found.statistics, list(found.coefficients.items())
    terms = " ".join(
        f"{value:+.5g}{'' if name == 'intercept' else ' × ' + name}" for name, value in coefficients[:_SHOWN_TERMS]
    )
    more = f" … ({len(coefficients)} terms; --json gives all)" if len(coefficients) > _SHOWN_TERMS else ""
    bases = ", ".join(f"{name} {value:g} °C" for name, value in found.balance_points_degc.items())
    lines = [
        f"{found.model}, {found.frequency}, {found.train_start} to {found.train_end} ({found.training.zone})",
        f"  {found.unit}/{_PER[found.frequency]} = {terms}{more}",
        *([f"  balance points: {bases}"] if bases else []),
        f"  {stats.n} {_PER[found.frequency]}s, R² {stats.r2:.4f}, CV(RMSE) {stats.cvrmse_g14:.2%} (n − p), "
        f"{stats.cvrmse_n:.2%} (n), {stats.cvrmse_caltrack:.2%} (n − c)",
        f"  months held out: CV(RMSE) {stats.cvrmse_out_of_sample:.2%}, bias (NMBE) {stats.nmbe_out_of_sample:+.2%}",
        f"  {len(found.selection)} candidates; digest {found.digest[:12]}",
    ]
    return "\n".join([*lines, *finding_lines(found.findings)])
