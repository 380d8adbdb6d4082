"""`meterloom support-bundle`: one file for who is to help, without secrets."""

from pathlib import Path
from typing import Annotated, Any

from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.model import plain
from orchestration.operations.answer import Answer
from orchestration.operations.operation import PROJECT, Call, Option, operation


@operation("support-bundle", takes=PROJECT, example="--out support.zip")
def support_bundle(
    call: Call,
    out: Annotated[Path | None, Option("File to write; default: support-TIME.zip in var.")] = None,
) -> Answer:
    """Gather versions, settings, checks, health, last runs and logs in one file, with secrets masked."""
    from orchestration.doctor.role_health import health_of
    from orchestration.doctor.support_bundle import write_bundle
    from orchestration.operations.project.doctor import parts, project_checks

    project, now_utc = call.places, call.clock.now_utc()
    call.doing("looking at services, store and lake")
    documents = {
        "health": [each._asdict() for each in health_of(project)],
        "checks": [*parts(), *project_checks(call)],
        "runs": _last_runs(call),
    }
    call.doing("gathering logs")
    path = out or project.data_dir / f"support-{now_utc:%Y%m%dT%H%M%SZ}.zip"
    masked = write_bundle(path, project, documents)
    text = f"{path}: {len(masked)} files, {sum(masked.values())} secret(s) masked; look through it before you send it"
    return Answer({"path": str(path), "files": sorted(masked), "masked": sum(masked.values())}, text=text)


def _last_runs(call: Call) -> Any:
    """Last outcomes of jobs, the newest first; the fault in place of them where the store is the trouble."""
    from assets.stores.ledgers.job_outcomes import last_outcomes
    from orchestration.doctor.support_bundle import RUNS

    try:
        return plain(last_outcomes(call.project.store, RUNS))
    except MeterloomError as fault:
        return {"fault": str(fault)}
