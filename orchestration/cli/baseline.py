"""`meterloom baseline`: fit, look at and approve the baselines of a project."""

from typing import Annotated, Any

import typer

from data_quality.contracts.baseline import BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from orchestration.cli.frame import CHECK_FAILED, DONE, Answer, Call, command


def line(version: BaselineVersion) -> dict[str, Any]:
    """One version with the keys of the contract."""
    return {
        "id": version.baseline_id,
        "type": version.baseline.baseline_type.value,
        "seu": version.baseline.seu_id,
        "version": version.version,
        "status": version.status.value,
        "approved_by": version.approved_by,
        "digest": version.baseline.dataset_digest,
    }


def details(version: BaselineVersion) -> dict[str, Any]:
    """A version with its model, statistics and findings."""
    baseline = version.baseline
    return {
        **line(version),
        "model": baseline.model,
        "coefficients": {term.name: term.model_dump(exclude={"name"}) for term in baseline.coefficients},
        **baseline.statistics.model_dump(),
        "findings": [finding.model_dump() for finding in baseline.findings],
        "train_start": baseline.train_start,
        "train_end": baseline.train_end,
        "is_synthetic": baseline.is_synthetic,
    }


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


def fit(
    call: Call,
    site: Annotated[str, typer.Option("--site", help="Which site.")],
    seu: Annotated[str | None, typer.Option("--seu", help="Only this SEU.")] = None,
) -> Answer:
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
    """Show one version: coefficients with intervals, statistics, findings."""
    found = one(call, baseline_id, version)
    return Answer(data={"baselines": [details(found)]}, text=told(found))


def approve(
    call: Call,
    baseline_id: Annotated[str, typer.Argument(metavar="ID", help="site/seu/type")],
    reason: Annotated[str, typer.Option("--reason", help="Why it may stand.")],
    version: Annotated[int | None, typer.Option("--version", help="Which version; the newest if left out.")] = None,
    waive: Annotated[list[str] | None, typer.Option("--waive", help="CODE=why, for a blocking finding.")] = None,
) -> Answer:
    """Approve a version as a named person with the role; whoever fitted it cannot."""
    person = call.acting(Role.APPROVER)
    waivers = {code: why for code, _, why in (part.partition("=") for part in waive or [])}
    known = one(call, baseline_id, version)
    found = call.project.baselines.approve(baseline_id, known.version, person, reason, waivers, call.clock)
    return Answer(
        data={"baselines": [line(found)]},
        text=f"{found.baseline_id} v{found.version} approved by {person.name}",
    )


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Energy baselines.", no_args_is_help=True)
    app.add_typer(group, name="baseline")
    command(group, "fit", example="meterloom baseline fit --site my_site --seu whole_site --as me")(fit)
    command(group, "list", example="meterloom baseline list --site factory")(baseline_list)
    command(group, "show", example="meterloom baseline show factory/compressors/enb")(show)
    command(
        group, "approve", example='meterloom baseline approve factory/compressors/enb --as anna --reason "reviewed"'
    )(approve)


def newest(call: Call, site_id: str) -> list[BaselineVersion]:
    """The newest version of each baseline of a site."""
    by_id = {version.baseline_id: version for version in call.project.baselines.versions(site_id)}
    return list(by_id.values())


def one(call: Call, baseline_id: str, version: int | None) -> BaselineVersion:
    """The version asked for, or the newest. Raises BadInput."""
    store = call.project.baselines
    if version is not None:
        return store.get(baseline_id, version, as_of_utc=call.as_of_utc)
    found = [v for v in store.versions(as_of_utc=call.as_of_utc) if v.baseline_id == baseline_id]
    if not found:
        raise BadInput(f"unknown baseline {baseline_id!r}; 'meterloom baseline list' names them", reason="no_baseline")
    return found[-1]
