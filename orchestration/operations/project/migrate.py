"""`meterloom migrate` brings a project of an earlier version to this one, `meterloom upgrade` says whether that is due
and whether all is well behind it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.errors import BadInput, MeterloomError, Unreachable
from orchestration.doctor.role_health import health_of
from orchestration.instance.schema_steps import SchemaPlan, schema_plan, take_steps
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import PROJECT, Call, Option, operation

if TYPE_CHECKING:
    from assets.stores.transactions import Store

STEPS = Table("steps", "part | from: {revision_from} | to: {revision} | what: {sentence}")
SMOKE = Table("smoke", "check: {name} | status | detail")
# Figures that an upgrade computes again, chosen by a fixed seed.
FIGURES = 5


def _take(call: Call, found: SchemaPlan) -> None:
    """Take the steps, but not from under MLflow's server. Raises BadInput, Unreachable."""
    is_file = not call.places.settings.database.of("mlflow")
    is_replaced = is_file and any(each.part.startswith("mlflow") for each in found.steps)
    if is_replaced and health_of(call.places, "mlflow")[0].live:
        raise BadInput(
            "the service mlflow runs, and would go on writing to its file of before",
            reason="services_run",
            mend="end it first",
        )
    take_steps(call.places, found, call.doing)


@operation("migrate", takes=PROJECT, example="--plan")
def migrate(call: Call, plan: Annotated[bool, Option("Say which steps there are, and take none.")] = False) -> Answer:
    """Bring store, MLflow and Dagster of an earlier version to this one; the store as it was is kept."""
    found = _plan(call)
    if not plan and found.steps:
        _take(call, found)
    kept = f"; the store as it was: {found.copy}" if found.copy and found.present != found.newest else ""
    done = "to take" if plan else "taken"
    text = f"{len(found.steps)} step(s) {done}{kept}" if found.steps else f"nothing to do: {_here(found)}"
    return Answer(_result(found) | {"is_done": not plan}, [STEPS] if found.steps else [], text=text)


@operation("upgrade", takes=PROJECT, example="--check")
def upgrade(
    call: Call,
    check: Annotated[bool, Option("Say what is to come and whether all is well; change nothing.")] = False,
) -> Answer:
    """After a newer version is installed: take the steps of 'migrate', then look whether all is well.

    Looked at are the checks of 'doctor', some stored figures computed again, and the mode of each site.
    """
    found = _plan(call)
    modes = _modes_before(call)
    if found.steps and not check:
        _take(call, found)
    smoke = [_doctor(call)]
    # Before the tables are those of this version nothing of it can be asked.
    if not (found.steps and check):
        smoke += [_figures(call), _unchanged(modes, _modes(call, call.project.store))]
    is_well = all(each["status"] != "fail" for each in smoke)
    text = f"{len(found.steps)} step(s) {'to come: meterloom backup, then meterloom upgrade' if check else 'taken'}"
    return Answer(
        _result(found) | {"smoke": smoke},
        [*([STEPS] if found.steps else []), SMOKE],
        text=text if found.steps else f"nothing to do: {_here(found)}",
        exit_code=DONE if is_well else CHECK_FAILED,
    )


def _plan(call: Call) -> SchemaPlan:
    """Raises Unreachable for a store that this version cannot open."""
    found = schema_plan(call.places)
    if found.refusal:
        raise Unreachable(found.refusal)
    return found


def _here(found: SchemaPlan) -> str:
    return f"the store is of revision {found.newest}" if found.newest else "there is no store yet"


def _result(found: SchemaPlan) -> dict[str, Any]:
    return {
        "from": found.present,
        "to": found.newest,
        "steps": [each._asdict() for each in found.steps],
        "copy": found.copy if found.present != found.newest else "",
    }


def _doctor(call: Call) -> dict[str, str]:
    from orchestration.operations.project.doctor import parts, project_checks

    call.doing("looking at packages, settings, store and lake")
    failed = [each for each in (*parts(), *project_checks(call)) if each["status"] == "fail"]
    detail = "; ".join(f"{each['name']}: {each['detail']}" for each in failed)
    return {"name": "doctor", "status": "fail" if failed else "ok", "detail": detail or "no check fails"}


def _figures(call: Call) -> dict[str, str]:
    """Some stored figures are what they were."""
    from orchestration.views.restored_proof import recompute_figures, some_of

    ids = some_of(call.project.reports.figure_ids(), FIGURES, seed=0)
    if not ids:
        return {"name": "trace", "status": "ok", "detail": "no figure is stored yet"}
    equal, differing = recompute_figures(call.project, ids, lambda text, done, of: call.doing(text, done=done, of=of))
    detail = "; ".join(f"{each.file}: {each.problem}" for each in differing)
    return {"name": "trace", "status": "fail" if differing else "ok", "detail": detail or f"{equal} figures equal"}


def _modes(call: Call, store: "Store") -> dict[str, str]:
    """The mode of each site, as commands go by it."""
    from controls.ledger.modes import current_mode

    now_utc = call.clock.now_utc()
    return {site_id: current_mode(store, site_id, now_utc=now_utc).name for site_id in call.project.sites}


def _modes_before(call: Call) -> dict[str, str]:
    """Modes by the store as it is; none where this version cannot read them there, or there is no store."""
    from assets.stores.transactions import DatabaseError, connect_store

    url = call.places.store_url
    file = url.removeprefix("sqlite:///")
    if not call.places.people_file.is_file() or (file != url and not Path(file).exists()):
        return {}
    store = connect_store(url, call.project.people.public_keys)
    try:
        return _modes(call, store)
    except (MeterloomError, DatabaseError):
        return {}
    finally:
        store.close()


def _unchanged(before: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """No mode is another than before the upgrade, where it could be asked then."""
    other = [f"{site}: {before[site]} became {mode}" for site, mode in now.items() if before.get(site, mode) != mode]
    detail = ", ".join(f"{site} {mode}" for site, mode in now.items())
    return {"name": "mode", "status": "fail" if other else "ok", "detail": "; ".join(other) or detail or "no site"}
