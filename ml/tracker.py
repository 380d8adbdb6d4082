"""Interface of the model registry for this room, and the card of a baseline. tracking.py implements it."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from assets.sites.calendar import calendar_versions
from data_quality.contracts.baselines.baseline import Baseline, BaselineStatus, BaselineType, BaselineVersion
from data_quality.contracts.model import Model
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


CHAMPION, CHALLENGER, APPROVED = "champion", "challenger", "approved"
BASELINE_FILE = "baseline.json"


class LoggedModel(Model):
    """One registered model version and the run that logged it."""

    name: str
    version: int
    run_id: str
    checksum: str
    tags: dict[str, str] = {}


class ModelRecord(Model):
    """Record next to a model's files.

    title: readable name of its run; about: what all versions of the name are for; card: Markdown about this one.
    """

    title: str = ""
    about: str = ""
    card: str = ""
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    dataset_name: str
    dataset_digest: str


class Tracker(Protocol):
    """A registry of model versions, each a few files with a checksum, and of aliases that point to one version."""

    def log_model(self, name: str, files: Mapping[str, bytes], record: ModelRecord) -> LoggedModel:
        """Register the files as the next version; the newest version with the same checksum is returned instead.

        Raises Unreachable.
        """

    def log_models(
        self, title: str, given: Sequence[tuple[str, Mapping[str, bytes], ModelRecord]]
    ) -> list[LoggedModel]:
        """As `log_model` of many names at once, each name once; in order. Many share one run of that title.

        Raises Unreachable.
        """

    def load_files(self, name: str, version: int) -> dict[str, bytes]:
        """The files of one version. Raises BadInput for an unknown version, OurFault where the checksum differs."""

    def versions(self, name: str) -> list[LoggedModel]:
        """Every version of that name, oldest first; empty for an unknown name."""

    def names(self, prefix: str = "") -> list[str]:
        """Every registered name, or those that begin so."""

    def add_files(self, run_id: str, folder: str, files: Mapping[str, bytes]) -> None:
        """Put files next to those of a run, in a folder of their own: pictures and tables for people."""

    def describe(self, logged: LoggedModel, card: str, tags: Mapping[str, str]) -> None:
        """Replace the card of a version, Markdown, and set these tags of it."""

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point the alias to that version."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Take the alias away, where it exists."""

    def get_alias(self, name: str, alias: str) -> int | None:
        """The version that the alias points to; None where there is no such model or alias."""


def files_checksum(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, in order of name."""
    # Digests, not contents, one after the other: where one file ends and the next begins is then part of the sum.
    parts = [f"{name}:{hashlib.sha256(content).hexdigest()}" for name, content in sorted(files.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def baseline_name(baseline: Baseline) -> str:
    """Registered name of a baseline: subject, kind, and method."""
    return ".".join([baseline.site_id, baseline.seu_id, baseline.baseline_type.value, baseline.model])


def baseline_files(baseline: Baseline) -> dict[str, bytes]:
    """The stored form of a baseline: one JSON document that needs no library to be read."""
    return {BASELINE_FILE: baseline.model_dump_json(indent=1).encode()}


def log_baseline(tracker: Tracker, baseline: Baseline, *, fitted_by: str) -> LoggedModel:
    """Register a baseline with its statistics and the digest of its training table. Raises Unreachable."""
    return tracker.log_model(baseline_name(baseline), baseline_files(baseline), _record(baseline, fitted_by))


def log_baselines(tracker: Tracker, baselines: Sequence[Baseline], *, fitted_by: str) -> list[LoggedModel]:
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


def show_approvals(tracker: Tracker, line: Sequence[BaselineVersion], names: Mapping[str, str]) -> None:
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
