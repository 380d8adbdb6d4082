"""`meterloom baseline`: fit, look at and approve the baselines of a project."""

from typing import Annotated, Any

import typer

from assets.kpi.uncertainty import two_sided_t
from assets.stores.adjustments import AdjustmentStore
from data_quality.contracts.baseline import Baseline, BaselineType, BaselineVersion, Coefficient
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Role
from orchestration.cli import baseline_adjust, baseline_fit, baseline_life, baseline_savings
from orchestration.cli.baseline_line import line, one
from orchestration.cli.frame import CHECK_FAILED, DONE, Answer, Call, command
from orchestration.cli.signing import actor, keep_signature


def details(version: BaselineVersion) -> dict[str, Any]:
    """A version with its model, statistics and findings."""
    baseline = version.baseline
    return {
        **line(version),
        "model": baseline.model,
        "coefficients": {
            term.name: term.model_dump(exclude={"name"}) | {"ci95": interval(term, baseline, 0.95)}
            for term in baseline.coefficients
        },
        "confidence": baseline.confidence,
        **baseline.statistics.model_dump(),
        "findings": [finding.model_dump() for finding in baseline.findings],
        "train_start": baseline.train_start,
        "train_end": baseline.train_end,
        "is_synthetic": baseline.is_synthetic,
    }


def interval(term: Coefficient, baseline: Baseline, confidence: float) -> list[float]:
    """The coefficient's interval at another confidence (0–1): value ± t · standard error with n - p degrees."""
    half = two_sided_t(confidence, baseline.statistics.n - baseline.statistics.p) * term.standard_error
    return [term.value - half, term.value + half]


def told(version: BaselineVersion) -> str:
    """A version for people."""
    found, stats = version.baseline, version.baseline.statistics
    terms = " ".join(f"{t.value:+.6g}{'' if t.name == 'intercept' else ' × ' + t.name}" for t in found.coefficients)
    lines = [
        f"{version.baseline_id} v{version.version}, {version.status.value}: kWh/day = {terms}",
        f"  n {stats.n}, R² {stats.r2:.4f}, CV(RMSE) {stats.cvrmse_g14:.2%} in training, "
        f"{stats.cvrmse_out_of_sample:.2%} held out, NMBE held out {stats.nmbe_out_of_sample:+.2%}",
    ]
    lines += [f"  {finding.severity}: {finding.code}: {finding.message}" for finding in found.findings]
    return "\n".join(lines)


def fit_site(call: Call, site: str, seu: str | None) -> Answer:
    """Fit and register the baselines of a site's SEUs over the periods that the site file names."""
    from orchestration.fresh import freshen_marts
    from orchestration.partitions import month_ranges
    from orchestration.runner import open_runner

    project, known = call.project, call.project.site(site)
    who = call.acting(Role.ANALYST).person_id
    freshen_marts(project, say=call.say)
    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        config = {"core_seu__baseline": {"config": {"fitted_by": who, **({"seu": seu} if seu else {})}}}
        runner.run("baseline", partition=known.site_id, config=config)
        runner.build_marts(month_ranges(project.stage("enpi").stale()), job="enpi", say=call.say)
    found = [v for v in newest(call, known.site_id) if seu in (None, v.baseline.seu_id)]
    missing = [s.seu_id for s in known.seus if seu in (None, s.seu_id)]
    missing = [name for name in missing if name not in {v.baseline.seu_id for v in found}]
    text = "\n".join([*(told(version) for version in found), *(f"{name}: no baseline" for name in missing)])
    data = {"baselines": [details(version) for version in found], "without_baseline": missing}
    return Answer(data=data, text=text, exit_code=DONE if found else CHECK_FAILED)


def baseline_list(
    call: Call, site: Annotated[str | None, typer.Option("--site", help="Only this site.")] = None
) -> Answer:
    """List every version with its status."""
    found = [line(v) for v in call.project.baselines.versions(site, as_of_utc=call.as_of_utc)]
    rows = [[b["id"], str(b["version"]), b["status"], b["approved_by"] or "-", b["digest"][:12]] for b in found]
    return Answer(
        data={"baselines": found}, columns=["baseline", "version", "status", "approved by", "digest"], rows=rows
    )


def show(
    call: Call,
    baseline_id: Annotated[str, typer.Argument(metavar="ID", help="site/seu/type")],
    version: Annotated[int | None, typer.Option("--version", help="Which version; the newest if left out.")] = None,
) -> Answer:
    """Show one version: coefficients with intervals, statistics, findings, adjustments, what speaks for a review."""
    found = one(call, baseline_id, version)
    review = review_of_version(call, found)
    ledger = AdjustmentStore(call.project.store)
    adjusted = [
        each
        for each in ledger.records(baseline_id=found.baseline_id, as_of_utc=call.as_of_utc)
        if each.adjustment.start >= found.baseline.train_end
    ]
    data = details(found) | {
        "adjustments": [baseline_adjust.told(each) for each in adjusted],
        "review": [finding.model_dump() for finding in review],
    }
    text = "\n".join(
        [
            told(found),
            *(f"  review: {finding.code}: {finding.message}" for finding in review),
            *("  adjustment " + " ".join(baseline_adjust.row(each)) for each in adjusted),
        ]
    )
    return Answer(data={"baselines": [data]}, text=text)


def review_of_version(call: Call, version: BaselineVersion) -> tuple[Finding, ...]:
    """What speaks for a review of an energy baseline today, or at --as-of; nothing for other types."""
    from reports.enpi_life import review_of

    project = call.project
    site = project.sites.get(version.baseline.site_id)
    is_known = site is not None and version.baseline.seu_id in {seu.seu_id for seu in site.seus}
    if site is None or not is_known or version.baseline.baseline_type is not BaselineType.ENB:
        return ()
    sources = project.sources()
    return review_of(site, version, sources=sources, as_of_utc=call.as_of_utc or project.reports.known_at(call.clock))


def approve(
    call: Call,
    baseline_id: Annotated[str, typer.Argument(metavar="ID", help="site/seu/type")],
    reason: Annotated[str, typer.Option("--reason", help="Why it may stand.")],
    version: Annotated[int | None, typer.Option("--version", help="Which version; the newest if left out.")] = None,
    waive: Annotated[list[str] | None, typer.Option("--waive", help="CODE=why, for a blocking finding.")] = None,
) -> Answer:
    """Approve a version as a named person with the role; whoever fitted it cannot."""
    who = actor(call, Role.APPROVER)
    waivers = {code: why for code, _, why in (part.partition("=") for part in waive or [])}
    known = one(call, baseline_id, version)
    with call.project.store.together():
        found = call.project.baselines.approve(baseline_id, known.version, who.person, reason, waivers, call.clock)
        facts = {"reason": reason, "waivers": waivers, "model_checksum": found.model_checksum}
        keep_signature(call, who, kind="baseline approve", subject=f"{found.baseline_id}@{found.version}", facts=facts)
    return Answer(
        data={"baselines": [line(found)]},
        text=f"{found.baseline_id} v{found.version} approved by {who.person.name}",
    )


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Energy baselines.", no_args_is_help=True)
    app.add_typer(group, name="baseline")
    baseline_fit.register(group, fit_site)
    baseline_savings.register_savings(group)
    baseline_adjust.register_adjustments(group)
    baseline_life.register_life(group)
    command(group, "list", example="meterloom baseline list --site factory")(baseline_list)
    command(group, "show", example="meterloom baseline show factory/compressors/enb")(show)
    command(
        group, "approve", example='meterloom baseline approve factory/compressors/enb --as anna --reason "reviewed"'
    )(approve)


def newest(call: Call, site_id: str) -> list[BaselineVersion]:
    """The newest version of each baseline of a site."""
    by_id = {version.baseline_id: version for version in call.project.baselines.versions(site_id)}
    return list(by_id.values())
