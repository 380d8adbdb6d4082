"""`meterloom baseline monitor|project|shadow`: the other types of baseline, and a library upgrade before adoption."""

from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.baselines.baseline import BaselineType
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Role
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table, finding_lines
from orchestration.operations.baselines.baseline_line import line
from orchestration.operations.baselines.savings import group_data, group_lines
from orchestration.operations.operation import READS_AND_ACTS, Argument, Call, Option, operation
from orchestration.operations.options import SiteOption
from orchestration.operations.signing import actor

if TYPE_CHECKING:
    from assets.kpi.claims.mv_savings import ProjectSavings
    from data_quality.contracts.baselines.baseline import BaselineVersion, ShadowComparison
    from data_quality.contracts.site_file.mv_project import MvProject

ALERTS = "start (UTC): {interval_start_utc} | actual kW: {actual_kw:.2f} | expected kW: {expected_kw:.2f} | z: {z:+.1f}"
# Over pairs of a comparison and a term of it.
TERMS = (
    "baseline: {0.baseline_id}@{0.version} | term: {1.name} | then: {1.then:.12g} | now: {1.now:.12g} | "
    "difference: {1.difference:.12g} | in standard errors: {1.in_standard_errors:.12g}"
)


@operation("baseline monitor", takes=READS_AND_ACTS, example="--site factory --seu compressors")
def monitor(
    call: Call,
    site: SiteOption,
    seu: Annotated[str, Option("Which significant energy use.")],
    days: Annotated[int, Option("Local days up to now that are shown.", min=1, max=90)] = 7,
    refit: Annotated[bool, Option("Fit again, though the last fit is no week old.")] = False,
) -> Answer:
    """Compare the last days with the 90-day monitoring baseline, quarter hour by quarter hour; refit weekly."""
    from ml.baselines.lifecycle.monitor_site import monitored, refit_site
    from reports.recompute.figure_sources import seu_of

    project, known = call.project, call.project.site(site)
    use = seu_of(known, seu)
    # A question about the past must not fit anything today.
    if call.as_of_utc is None:
        report = refit_site(
            # Fitted by nobody: it feeds no report, so no person has to stand for it.
            known, lake=project.lake, store=project.baselines, tracker=call.project.tracker, clock=call.clock,
            fitted_by="meterloom", seu_id=use.seu_id, is_forced=refit,
        )  # fmt: skip
        if use.seu_id in report.refused:
            why = report.refused[use.seu_id]
            empty = {"baselines": [], "rows": [], "alerts": 0, "findings": [why]}
            return Answer(empty, text=f"no monitoring baseline: {why.message}", exit_code=CHECK_FAILED)
    version = project.baselines.latest(known.site_id, use.seu_id, BaselineType.MONITORING, as_of_utc=call.as_of_utc)
    if version is None:
        raise BadInput(f"there was no monitoring baseline of {use.seu_id} then", reason="no_baseline")
    rows = monitored(
        known, use, version, lake=project.lake, now_utc=call.as_of_utc or call.clock.now_utc(), days=days,
        as_of_utc=call.as_of_utc,
    )  # fmt: skip
    alerts = rows.filter("is_alert")
    stats = version.baseline.statistics
    text = (
        f"{version.baseline_id} v{version.version}, trained {version.baseline.train_start} to "
        f"{version.baseline.train_end}, CV(RMSE) {stats.cvrmse_g14:.1%}: {alerts.height} of {rows.height} quarter "
        "hours beyond 3 standard errors; feeds no report"
    )
    result = {
        "baselines": [line(version)],
        "rows": rows.rename({"interval_start_utc": "start_utc"}).to_dicts(),
        "alerts": alerts.height,
        "findings": [],
    }
    return Answer(result, Table(alerts.to_dicts(), ALERTS), text)


@operation("baseline project", takes=READS_AND_ACTS, repeats=True, example="factory/led --fit --as ben")
def project(
    call: Call,
    name: Annotated[str, Argument("An M&V project of a site file.", metavar="SITE/PROJECT")],
    fit: Annotated[bool, Option("Fit and register its baseline.")] = False,
    version: Annotated[int | None, Option("Which version; else the approved one.")] = None,
) -> Answer:
    """Show a project's plan and what it saved so far, or fit its baseline."""
    from assets.kpi.claims.mv_savings import plan_of, project_of, project_savings
    from assets.stores.ledgers.baselines import baseline_id_of
    from ml.baselines.savings.project_baseline import fit_project
    from orchestration.views.requested_figures import project_ids

    site, _, project_id = name.partition("/")
    known = call.project.site(site)
    wanted = project_of(known, project_id)
    if fit:
        who = call.acting(Role.ANALYST).person_id
        answer = fit_project(
            known, wanted, lake=call.project.lake, store=call.project.baselines, tracker=call.project.tracker,
            clock=call.clock, fitted_by=who,
        )  # fmt: skip
        if isinstance(answer, Finding):
            refused = {"plan": None, "baselines": [], "savings": None, "findings": [answer]}
            return Answer(refused, text=f"no baseline: {answer.code}: {answer.message}", exit_code=CHECK_FAILED)
    kind, store = BaselineType.MV_PROJECT, call.project.baselines
    # None approved: the newest is shown, and its status says so.
    chosen = store.in_force(known.site_id, kind, as_of_utc=call.as_of_utc).get(project_id)
    if version is not None:
        chosen = store.get(baseline_id_of(known.site_id, project_id, kind), version, as_of_utc=call.as_of_utc)
    plan = plan_of(known, wanted, None if chosen is None else chosen.baseline)
    result: dict[str, Any] = {"plan": plan, "baselines": [] if chosen is None else [line(chosen)], "savings": None}
    text = f"{wanted.name}: option {wanted.option}, {wanted.boundary}"
    if plan["missing"]:
        text += f"\n  missing in the plan: {', '.join(map(str, plan['missing']))}"  # type: ignore[call-overload]
    if chosen is None:
        return Answer(result, text=f"{text}\n  no baseline yet: fit one with --fit")
    # One instant for the saving and for the ids of its numbers.
    as_of_utc = call.as_of_or_now
    found = project_savings(
        known, wanted, chosen, lake=call.project.lake, now_utc=call.as_of_utc or call.clock.now_utc(),
        as_of_utc=as_of_utc,
    )  # fmt: skip
    if isinstance(found, Finding):
        return Answer({**result, "findings": [found]}, text=f"{text}\n  {found.code}: {found.message}")
    group = ""
    if wanted.comparison_group:
        found, result["comparison_group"], group = _beside_group(call, wanted, chosen, found)
    ids = project_ids(call.project, known, chosen, found, as_of_utc=as_of_utc, clock=call.clock)
    result["savings"] = {**found.model_dump(mode="json"), "figures": ids}
    half = "" if found.uncertainty_kwh is None else f" ± {found.uncertainty_kwh:.1f}"
    claimed = "claimed" if found.claimed_kwh is not None else "not claimed"
    text += f"\n  avoided {found.savings_kwh:.1f}{half} kWh at {found.confidence:.0%}, {claimed}"
    return Answer(result, text="\n".join([text + group, *finding_lines(found.findings)]))


def _beside_group(
    call: Call, wanted: "MvProject", version: "BaselineVersion", saved: "ProjectSavings"
) -> tuple["ProjectSavings", dict[str, Any] | None, str]:
    """The saving with what its comparison group says of it, the corrected one (None: nothing is corrected), a line."""
    from reports.recompute.group import corrected, weighed

    found = corrected(call.sources, wanted, version, saved, call.as_of_utc or call.clock.now_utc())
    after = weighed(saved, found)
    if isinstance(found, tuple):
        return after, None, "\n  not corrected by the comparison group (see the findings)"
    return after, group_data(found), "\n" + "\n".join(group_lines(found, "kWh"))


@operation("baseline shadow", takes=READS_AND_ACTS, example="--site factory --as ben")
def shadow(call: Call, site: SiteOption) -> Answer:
    """Recompute every approved version with today's libraries and compare; nothing is adopted."""
    from assets.stores.ledgers.baselines import ShadowStore
    from ml.baselines.lifecycle.shadow_fits import shadow_site

    known, who = call.project.site(site), actor(call, Role.ANALYST)
    found = shadow_site(known, lake=call.project.lake, store=call.project.baselines)
    kept = ShadowStore(call.project.store)
    for each in found:
        with call.project.store.together():
            sha256 = kept.add(each, who.person.person_id, call.clock)
            who.sign("baseline shadow", f"{each.baseline_id}@{each.version}", comparison_sha256=sha256)
    return Answer(
        {"comparisons": [each.model_dump(mode="json") for each in found]},
        Table([(each, term) for each in found for term in each.terms], TERMS),
        "\n".join(_shadow_text(each) for each in found) or "no version is approved",
        DONE if all(each.is_equal for each in found) else CHECK_FAILED,
    )


def _shadow_text(found: "ShadowComparison") -> str:
    name = f"{found.baseline_id}@{found.version}"
    if found.largest_difference is None:
        return f"{name}: not compared: {'; '.join(each.message for each in found.findings)}"
    return f"{name}: {'equal' if found.is_equal else 'differs'}, largest difference {found.largest_difference:.3g}"
