"""`meterloom models`: registered models, their versions and aliases, and which one leads."""

from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.people import Role
from ml.tracking import APPROVED, CHALLENGER, CHAMPION, MlflowTracker
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.signing import actor

if TYPE_CHECKING:
    from ml.tracking import LoggedModel

MODELS = Table("models", "name | version | alias: {alias:|} | digest: {digest:.12}")
LedArgument = Annotated[str, Argument("SITE/TARGET, e.g. home/main, or a name of 'models list'.", metavar="NAME")]
ReasonOption = Annotated[str, Option("Why; it is kept with the decision.")]


@operation("models list", repeats=True, takes=PROJECT, example="--json")
def models_list(call: Call, name: Annotated[str | None, Argument("Only this registered name.")] = None) -> Answer:
    """List every registered version with its alias, target, scores and digest."""
    tracker = call.project.tracker
    names = ([name] if name else tracker.names()) if tracker.is_begun else []
    return Answer({"models": _lines(tracker, names)}, MODELS)


@operation("models promote", takes=ACTS, example='home/main --as anna --reason "a month of shadow"')
def models_promote(
    call: Call,
    name: LedArgument,
    reason: ReasonOption,
    version: Annotated[int | None, Argument("Which version; the newest of a name, the challenger of a target.")] = None,
) -> Answer:
    """Let a forecast model lead its target: plans use its forecasts from the next issue on."""
    from ml.forecasts.lifecycle.leading import challenger_of, registered_version

    tracker = call.project.tracker
    if "/" in name:
        return _lead(call, tracker, challenger_of(tracker, _family(call, name)), reason, is_rollback=False)
    return _lead(call, tracker, registered_version(tracker, name, version), reason, is_rollback=False)


@operation("models rollback", takes=ACTS, example='home/main --as anna --reason "too high since Monday"')
def models_rollback(call: Call, name: LedArgument, reason: ReasonOption) -> Answer:
    """Bring back the forecast model that led a target before the present one."""
    from ml.forecasts.lifecycle.leading import former_leader

    tracker = call.project.tracker
    former = former_leader(tracker, call.project.forecasts.promotions(), _family(call, name))
    return _lead(call, tracker, former, reason, is_rollback=True)


def _lead(call: Call, tracker: MlflowTracker, logged: "LoggedModel", reason: str, *, is_rollback: bool) -> Answer:
    from ml.forecasts.lifecycle.leading import lead_manually

    who = actor(call, Role.APPROVER)
    with call.project.store.together():
        decision = lead_manually(
            tracker, call.project.forecasts, logged, is_rollback=is_rollback, person_id=who.person.person_id,
            reason=reason, clock=call.clock,
        )  # fmt: skip
        who.sign(f"models {decision.basis}", decision.model, reason=reason, former=decision.former)
    family = logged.name.rpartition(".")[0]
    names = [each for each in tracker.names() if each.startswith(f"{family}.")]
    before = f"; before it {decision.former}" if decision.former else ""
    text = f"{decision.model} leads {decision.target}, says {who.person.name}: {reason}{before}"
    result = {"models": _lines(tracker, names), "decision": decision.model_dump(mode="json", exclude_none=True)}
    return Answer(result, MODELS, text)


def _family(call: Call, name: str) -> str:
    """Prefix of the names of all models of the target. Raises BadInput."""
    from ml.forecasts.lifecycle.forecast_registry import family

    site, separator, target = name.partition("/")
    return family(call.project.site(site), target) if separator else name.rpartition(".")[0]


def _lines(tracker: MlflowTracker, names: list[str]) -> list[dict[str, Any]]:
    # Asked once a model and not once a version: each is a query of its own.
    shown = (APPROVED, CHALLENGER, CHAMPION)
    aliases = {(name, tracker.get_alias(name, alias)): alias for name in names for alias in shown}
    return [
        {
            "name": version.name,
            "version": version.version,
            "alias": aliases.get((name, version.version)),
            "target": version.tags.get("target", ""),
            "scores": tracker.metrics(version.run_id),
            "digest": version.checksum,
        }
        for name in names
        for version in tracker.versions(name)
    ]
