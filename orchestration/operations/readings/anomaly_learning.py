"""`meterloom anomalies learn|accept`: labels of people as a project's own model of causes, let lead by another."""

from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.people import Role
from orchestration.operations.answer import Answer, finding_lines
from orchestration.operations.operation import ACTS, Argument, Call, operation
from orchestration.operations.options import ReasonOption
from orchestration.operations.signing import actor

if TYPE_CHECKING:
    from ml.anomaly_scoring.learn_project import CausesLearned
    from ml.tracker import Tracker


@operation("anomalies learn", takes=ACTS, example="--as ben")
def anomalies_learn(call: Call) -> Answer:
    """Learn causes from the labels of all sites. What is better than what was shipped leads once another accepts it.

    Each event is judged by a model that neither it nor what shares its time taught. The same labels add nothing.
    """
    from ml.anomaly_scoring.learn_project import learn_project
    from orchestration.previews import confusion_png

    person, project = call.known_person(), call.project
    expect(person, Permission.ANOMALY_UPDATE)
    call.doing("learning from labels")
    found = learn_project(
        project.sites.values(), project.lake, tracker=_tracker(call), clock=call.clock, draw=confusion_png,
        person_id=person.person_id,
    )  # fmt: skip
    findings = [found.finding] if found.finding else []
    return Answer(
        {"model": _model(found), "new": found.is_new, "findings": findings},
        text="\n".join([_outcome_text(found), *finding_lines(findings)]),
    )


@operation("anomalies accept", takes=ACTS, example='2.1 --as anna --reason "night shifts are known now"')
def anomalies_accept(
    call: Call,
    version: Annotated[str, Argument("As 'anomalies learn' names it, or the shipped one.", metavar="VERSION")],
    reason: ReasonOption,
) -> Answer:
    """Let a version of the model of causes lead from the next scoring on. Who taught it cannot accept it."""
    from ml.anomaly_scoring.learn_project import accept_causes

    who = actor(call, Role.APPROVER)
    with call.project.store.together():
        found = accept_causes(
            call.project.lake, version, tracker=_tracker(call), person=who.person, reason=reason, clock=call.clock
        )
        who.sign("anomalies accept", f"causes@{found.version}", reason=reason, digest=found.digest)
    document = found.model_dump(mode="json", exclude={"parameters", "recorded_at_utc"})
    return Answer(
        {"model": document}, text=f"version {found.version} of the causes leads, says {who.person.name}: {reason}"
    )


def _tracker(call: Call) -> "Tracker":
    from ml.tracking import MlflowTracker

    project = call.project.project
    return MlflowTracker(project.mlflow_uri, project.mlflow_artifacts_dir)


def _model(found: "CausesLearned") -> dict[str, Any]:
    """The version by the contract's keys. taken: whether what these labels made leads; proposed: whether it may."""
    version, is_own = found.version, found.finding is None
    figures = version.figures if is_own else {}
    return {
        "version": version.version, "digest": version.digest, "labels": found.labels,
        "macro_f1": figures.get("macro_f1"), "shipped_macro_f1": figures.get("shipped_macro_f1"),
        "ece": figures.get("ece"), "taken": is_own and version.is_taken,
        "proposed": is_own and found.reason == "better" and not version.is_taken, "reason": found.reason,
        "figures": figures, "run_id": version.run_id, "recorded_at_utc": version.recorded_at_utc,
    }  # fmt: skip


def _outcome_text(found: "CausesLearned") -> str:
    version, figures = found.version, found.version.figures
    if found.finding is not None:
        return f"nothing was learned; version {version.version} leads"
    waits = f"waits for 'meterloom anomalies accept {version.version}'" if found.reason == "better" else "does not lead"
    leads = "leads" if version.is_taken else waits
    return (
        f"version {version.version} of {found.labels} labels {leads}: macro-F1 {figures['macro_f1']:.2f}, as shipped "
        f"{figures['shipped_macro_f1']:.2f}; calibration error {figures['ece']:.2f}"
    )
