"""What the registry shows of a baseline: a title, a card in words, and who approved it."""

from collections.abc import Mapping
from datetime import timedelta

from data_quality.contracts.baselines.baseline import Baseline, BaselineType, BaselineVersion
from data_quality.contracts.people import person_text

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
    """A baseline in Markdown: what it models, from when to when, by which drivers, how well, and what is against it."""
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
