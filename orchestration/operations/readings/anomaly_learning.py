"""`meterloom anomalies learn`: the labels of people as a project's own model of causes."""

from typing import TYPE_CHECKING, Any

from data_quality.contracts.access.permissions import Permission, expect
from orchestration.operations.answer import Answer, finding_lines
from orchestration.operations.operation import ACTS, Call, operation

if TYPE_CHECKING:
    from ml.anomaly_scoring.learn_project import CausesLearned


@operation("anomalies learn", takes=ACTS, example="--as ben")
def anomalies_learn(call: Call) -> Answer:
    """Learn causes from the labels of all sites. What was learned leads only where it is better than what was shipped.

    Each event is judged by a model that neither it nor what shares its time taught. The same labels add nothing.
    """
    from ml.anomaly_scoring.learn_project import learn_project
    from ml.tracking import MlflowTracker
    from orchestration.previews import confusion_png

    person, project = call.known_person(), call.project
    expect(person, Permission.ANOMALY_UPDATE)
    tracker = MlflowTracker(project.project.mlflow_uri, project.project.mlflow_artifacts_dir)
    call.doing("learning from labels")
    found = learn_project(
        project.sites.values(), project.lake, tracker=tracker, clock=call.clock, draw=confusion_png,
        person_id=person.person_id,
    )  # fmt: skip
    findings = [found.finding] if found.finding else []
    return Answer(
        {"model": _model(found), "new": found.is_new, "findings": findings},
        text="\n".join([_said(found), *finding_lines(findings)]),
    )


def _model(found: "CausesLearned") -> dict[str, Any]:
    """The version by the contract's keys. taken: whether what these labels made leads."""
    version, is_own = found.version, found.finding is None
    figures = version.figures if is_own else {}
    return {
        "version": version.version, "digest": version.digest, "labels": found.labels,
        "macro_f1": figures.get("macro_f1"), "shipped_macro_f1": figures.get("shipped_macro_f1"),
        "ece": figures.get("ece"), "taken": is_own and version.is_taken, "reason": found.reason,
        "figures": figures, "run_id": version.run_id, "recorded_at_utc": version.recorded_at_utc,
    }  # fmt: skip


def _said(found: "CausesLearned") -> str:
    version, figures = found.version, found.version.figures
    if found.finding is not None:
        return f"nothing was learned; version {version.version} leads"
    leads = "leads" if version.is_taken else "does not lead"
    return (
        f"version {version.version} of {found.labels} labels {leads}: macro-F1 {figures['macro_f1']:.2f}, as shipped "
        f"{figures['shipped_macro_f1']:.2f}; calibration error {figures['ece']:.2f}"
    )
