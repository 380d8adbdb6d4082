"""Baselines in the model registry: names, files and cards, and which version is approved."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from assets.sites.calendar import calendar_versions
from data_quality.contracts.baselines.baseline import Baseline, BaselineStatus, BaselineType, BaselineVersion
from data_quality.contracts.people import person_text
from ml.tracking import APPROVED, LoggedModel, MlflowTracker, ModelRecord

PURPOSES = {
    BaselineType.ENB: "The energy baseline of a use: reports hold its energy against it (ISO 50006).",
    BaselineType.MONITORING: "A monitoring baseline, refitted every week: it warns early and feeds no report.",
    BaselineType.MV_PROJECT: "The baseline of one measure: the measure's savings are counted from it.",
    BaselineType.DR_EVENT: "The baseline of events of demand response.",
    BaselineType.COUNTERFACTUAL: "What a use would have taken otherwise.",
}


def title(baseline: Baseline) -> str:
    """Site, use, model and training period as people write it: a calendar year by its number, else by its days."""
    start, last = baseline.train_start, baseline.train_end - timedelta(days=1)
    is_year = (start.month, start.day, last.month, last.day) == (1, 1, 12, 31) and start.year == last.year
    span = str(start.year) if is_year else f"{start} to {last}"
    # Of the five types an energy baseline is what everybody means.
    kind = "" if baseline.baseline_type is BaselineType.ENB else f" ({baseline.baseline_type.value})"
    return " · ".join([baseline.site_id, baseline.seu_id, f"{baseline.model}{kind}", span])


def card(baseline: Baseline) -> str:
    """A baseline in Markdown: use, period, drivers, fit, and findings against it."""
    fit = baseline.statistics
    held_out = f", on days held out {fit.cvrmse_out_of_sample:.1%}" if fit.cvrmse_out_of_sample else ""
    lines = [
        f"**{title(baseline)}**",
        PURPOSES[baseline.baseline_type],
        f"- Trained on {fit.n} days from {baseline.train_start} to {baseline.train_end - timedelta(days=1)}",
        f"- CV(RMSE) {fit.cvrmse_g14:.1%}{held_out}; R² {fit.r2:.3f}",
        f"- Bands at a confidence of {baseline.confidence:.0%}",
    ]
    if baseline.is_synthetic:
        lines.append("- Of simulated readings: proof of nothing")
    lines += [f"- Finding `{each.code}`: {each.message}" for each in baseline.findings]
    rows = [
        f"| {each.name} | {each.value:,.4g} | {each.ci_low:,.4g} to {each.ci_high:,.4g} |"
        for each in baseline.coefficients
    ]
    table = ["| Term | kWh per day and unit | Confidence interval |", "|---|---|---|", *rows]
    return "\n".join([lines[0], "", lines[1], "", *lines[2:], "", *table])


def approved_card(version: BaselineVersion, names: Mapping[str, str]) -> str:
    """The card of a version below its status: approved, superseded or rejected, by whom, when and why.

    names: by person id.
    """
    at_utc = version.approved_at_utc or version.rejected_at_utc
    if at_utc is None:
        return card(version.baseline)
    decider, fitter = (
        person_text(who or "", names.get(who or ""))
        for who in (version.approved_by or version.rejected_by, version.fitted_by)
    )
    status = (
        f"**{version.status.value.capitalize()}**: by {decider} on "
        f"{at_utc:%Y-%m-%d %H:%M} UTC; fitted by {fitter}. Reason: {version.reason}"
    )
    return f"{status}\n\n{card(version.baseline)}"


BASELINE_FILE = "baseline.json"


def baseline_name(baseline: Baseline) -> str:
    """Registered name of a baseline: subject, kind, and method."""
    return ".".join([baseline.site_id, baseline.seu_id, baseline.baseline_type.value, baseline.model])


def baseline_files(baseline: Baseline) -> dict[str, bytes]:
    """The stored form of a baseline: one JSON document that needs no library to be read."""
    return {BASELINE_FILE: baseline.model_dump_json(indent=1).encode()}


def log_baseline(tracker: MlflowTracker, baseline: Baseline, *, fitted_by: str) -> LoggedModel:
    """Register a baseline with its statistics and the digest of its training table. Raises Unreachable."""
    return tracker.log_model(baseline_name(baseline), baseline_files(baseline), _record(baseline, fitted_by))


def log_baselines(tracker: MlflowTracker, baselines: Sequence[Baseline], *, fitted_by: str) -> list[LoggedModel]:
    """The same of baselines of one site and type, in one batch. Raises Unreachable."""
    if not baselines:
        return []
    one = baselines[0]
    heading = f"{one.site_id} · {len(baselines)} baselines ({one.baseline_type.value})"
    given = [(baseline_name(each), baseline_files(each), _record(each, fitted_by)) for each in baselines]
    return tracker.log_models(heading, given)


def _record(baseline: Baseline, fitted_by: str) -> ModelRecord:
    return ModelRecord(
        title=title(baseline),
        about=PURPOSES[baseline.baseline_type],
        card=card(baseline),
        params={
            "model": baseline.model,
            "features": ", ".join(baseline.feature_order),
            "train_start": baseline.train_start.isoformat(),
            "train_end": baseline.train_end.isoformat(),
            "confidence": str(baseline.confidence),
        },
        metrics={name: float(value) for name, value in baseline.statistics.model_dump().items()},
        tags={
            "kind": "baseline",
            # A monitoring baseline is never approved, and so never waits for it.
            **({} if baseline.baseline_type is BaselineType.MONITORING else {"status": "provisional"}),
            "site_id": baseline.site_id,
            "seu_id": baseline.seu_id,
            "fitted_by": fitted_by,
            "is_synthetic": str(baseline.is_synthetic).lower(),
            # Holidays decide which days are alike: a newer list of them can be why a refit differs.
            **calendar_versions(),
            "findings": ", ".join(finding.code for finding in baseline.findings),
        },
        dataset_name=f"{baseline.site_id}/{baseline.seu_id} days",
        dataset_digest=baseline.dataset_digest,
    )


def show_approvals(tracker: MlflowTracker, line: Sequence[BaselineVersion], names: Mapping[str, str]) -> None:
    """Show the status of each version of one baseline in the registry; the alias goes to the approved one.

    Shown, never queried: the register of approvals is ours (assets/stores/ledgers/baselines.py). The same line twice
    changes nothing. names: of people by their id. Raises Unreachable.
    """
    for version in line:
        if version.status is BaselineStatus.PROVISIONAL:
            continue
        name = baseline_name(version.baseline)
        logged = next((each for each in tracker.versions(name) if each.run_id == version.mlflow_run_id), None)
        # Another registry than the one of the fit, where the project was moved without it.
        if logged is None:
            continue
        tags = {"status": version.status.value, "approved_by": version.approved_by or ""}
        tracker.describe(logged, approved_card(version, names), tags)
        if version.status is BaselineStatus.APPROVED:
            tracker.set_alias(name, APPROVED, logged.version)
            # A model of another form has a name of its own, and only one leads.
            for other in {baseline_name(each.baseline) for each in line} - {name}:
                tracker.delete_alias(other, APPROVED)
