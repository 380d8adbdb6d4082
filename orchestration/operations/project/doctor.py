"""`meterloom doctor|health|support-bundle`: what is missing, what runs, and one file for who is to help."""

import ctypes.util
import importlib.metadata
import re
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import plain
from data_quality.contracts.settings import SETTINGS_FILE, Project
from orchestration.doctor import kept_checks as kept
from orchestration.doctor.kept_checks import item, reachability_checks
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import PROJECT, Call, Option, operation
from orchestration.operations.project.check import configuration_problems
from orchestration.views.finding_sources import not_working, not_working_anywhere, what_of

CHECKS = Table(
    "checks",
    ": {mark} | part: {name} | detail | mend",
    mark=lambda each: each["status"] if each["status"] == "ok" else each["status"].upper(),
)
LOCK = Path(__file__).resolve().parents[3] / "requirements.lock"


def parts() -> list[dict[str, str]]:
    """Python, packages against the lock, and the system's parts."""
    version = ".".join(str(n) for n in sys.version_info[:3])
    found = [
        item("python", "ok" if sys.version_info[:2] >= (3, 11) else "fail", version, "install Python 3.11 or newer")
    ]
    found.append(_packages())
    # Packages put it into sbin, which is not on an ordinary user's path.
    broker = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    install = "sudo apt-get install -y mosquitto"
    found.append(
        item("mosquitto", "ok" if broker else "warn", broker or "no MQTT broker; the demo falls back", install)
    )
    openmp = ctypes.util.find_library("gomp")
    install = "sudo apt-get install -y libgomp1"
    found.append(
        item("openmp", "ok" if openmp else "warn", openmp or "libgomp is missing: model fitting fails", install)
    )
    return found


def _packages() -> dict[str, str]:
    if not LOCK.exists():
        return item("packages", "ok", "installed without a lock file")
    wrong = []
    for name, wanted, marker in re.findall(
        r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;\\]+)( ;[^\\]*)?", LOCK.read_text(encoding="utf-8"), re.M
    ):
        # For other systems or Pythons: not installed here, and not missed.
        if marker:
            continue
        try:
            if (have := importlib.metadata.version(name)) != wanted:
                wrong.append(f"{name} {have} (lock: {wanted})")
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
    detail = "; ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
    return item("packages", "warn" if wrong else "ok", detail or "as locked", "run 'make setup'")


def project_checks(call: Call) -> list[dict[str, str]]:
    """Settings, site files, stores and disk of the project folder."""
    from assets.stores.ledgers.bill_ledger import BillStore
    from assets.stores.retention import changed_landing
    from assets.stores.transactions import DatabaseError, probe
    from assets.stores.warehouse.mart_digests import MartDigests

    if not (call.folder / SETTINGS_FILE).exists():
        return [item("project", "warn", f"no project in {call.folder}", "meterloom init DIR, or --project DIR")]
    problems = configuration_problems(call)
    if problems:
        first = problems[0]
        where = f", line {first.line}" if first.line else ""
        detail = f"{first.file}{where}: {first.message} ({len(problems)} in all)"
        found = [item("configuration", "fail", detail, first.mend or "meterloom check lists them all")]
        try:
            # A mistake of one device hides nothing else; a file that cannot be read does.
            _ = call.project.sites
        except MeterloomError:
            return found
    else:
        found = [item("configuration", "ok", f"{len(call.project.sites)} site(s)")]
    data, now = call.project.project.data_dir, call.clock.now_utc()
    found.append(kept.check_rights(call.project.project))
    found.append(kept.check_backup(call.project.project, now))
    free = shutil.disk_usage(data).free / 1e9
    found.append(item("disk", "ok" if free > 2 else "warn", f"{free:.1f} GB free at {data}", "make room: 2 GB or more"))
    try:
        found += (revision := check(call.project.project))
        if any(each["status"] != "ok" for each in revision):
            # To open the store is to migrate it: not before it was said.
            return found
        found += others(call.project.project)
        call.project.store.rows(probe())
        kind = "PostgreSQL" if call.project.project.settings.database.of("store") else "SQLite"
        found.append(item("store", "ok", kind))
        found += kept.check_trust(call.project.store, call.project.project.anchors_dir)
        found += kept.check_files(call.project.reports.files)
        found += kept.check_copies("bills", BillStore(data / "bills", call.project.store).altered())
        found += kept.check_copies("quarantine", call.project.quarantine.altered())
        found += kept.check_landing(changed_landing(call.project.project, call.project.store))
        found += kept.check_marts(MartDigests(call.project.store, call.project.project.marts_dir))
        found += kept.check_lake(call.project.lake, sorted(call.project.sites))
        found += map(_failing, not_working_anywhere(call.project, now))
        for site in call.project.sites.values():
            found += map(_failing, not_working(call.project, site, now))
    except (OSError, MeterloomError, DatabaseError) as fault:
        from assets.stores.unreachable import world_fault

        message = str(world_fault(fault, call.project.project.store_url) or fault).splitlines()[0]
        found.append(item("store", "fail", message, "check database.url in meterloom.yaml"))
    return found + kept.check_databases(call.project.project)


def _failing(found: Finding) -> dict[str, str]:
    part = found.facts.get("job") or found.facts.get("source")
    return item(f"{found.scope or 'project'}/{part}", "warn", what_of(found), str(found.facts["mend"]))


@operation("doctor", takes=PROJECT)
def doctor(call: Call) -> Answer:
    """Say what is present, missing or misconfigured, and how to mend it."""
    checks = parts() + project_checks(call)
    if (call.folder / SETTINGS_FILE).exists() and all(c["status"] != "fail" for c in checks):
        checks += reachability_checks(call.project.project)
    failed = any(c["status"] == "fail" for c in checks)
    return Answer({"checks": checks}, CHECKS, exit_code=CHECK_FAILED if failed else DONE)


NAME = "migrations"


def check(project: Project) -> list[dict[str, str]]:
    """The store's revision, and a line for each step to come. Anything but `ok` means: opening the store would change
    it or is refused. Raises DatabaseError where the database does not answer.
    """
    from orchestration.instance.schema_steps import STORE, schema_plan

    found = schema_plan(project)
    if found.refusal:
        message, _, mend = found.refusal.partition(": ")
        return [item(NAME, "fail", message, mend)]
    steps = [each for each in found.steps if each.part == STORE]
    if not found.newest:
        return [item(NAME, "ok", "no store yet: the first command makes it")]
    if not found.present or not steps:
        return [item(NAME, "ok", f"revision {found.present}" if found.present else "an empty database")]
    detail = f"revision {found.present}; 'meterloom migrate' takes {len(steps)} step(s)"
    mend = "meterloom migrate; every other command that opens the store takes them too: whole, or not at all"
    return [
        item(NAME, "warn", f"{detail}, and keeps the store as it was as {Path(found.copy).name}", mend),
        *(item(f"step {each.revision}", "warn", each.sentence, "comes with the migration") for each in steps),
    ]


def others(project: Project) -> list[dict[str, str]]:
    """A line for each SQLite file of MLflow or Dagster that is not of the revision of the installed library."""
    from orchestration.instance.schema_steps import library_steps

    return [item(each.part, "warn", each.sentence, "meterloom migrate") for each in library_steps(project)]


ROLES = Table("roles", ": {mark} | role: {name} | detail", mark=lambda each: "ok" if each["ready"] else "NOT READY")


@operation("health", takes=PROJECT, example="--role agent-home")
def health(
    call: Call,
    role: Annotated[str, Option("One service alone, by the name that 'health' gives it.")] = "",
    here: Annotated[bool, Option("Services of this machine or container alone.")] = False,
    acknowledge: Annotated[
        str, Option("One that was killed and shall not come back is named no more.", metavar="ROLE")
    ] = "",
) -> Answer:
    """Say which services run and which do their work; exit code 1 where one does not."""
    from orchestration.doctor import role_health

    if acknowledge:
        role_health.acknowledge(call.places, acknowledge)
    found = role_health.health_here(call.places) if here else role_health.health_of(call.places, role)
    is_ready = all(each.ready for each in found)
    text = "ready" if is_ready else f"{sum(not each.ready for each in found)} of {len(found)} not ready"
    if any("is gone" in each.detail for each in found):
        text += "\none that shall not come back: meterloom health --acknowledge ROLE"
    return Answer(
        {"roles": [each._asdict() for each in found]}, ROLES, text=text, exit_code=DONE if is_ready else CHECK_FAILED
    )


@operation("support-bundle", takes=PROJECT, example="--out support.zip")
def support_bundle(
    call: Call,
    out: Annotated[Path | None, Option("File to write; default: support-TIME.zip in var.")] = None,
) -> Answer:
    """Gather versions, settings, checks, health, last runs and logs in one file, with secrets masked."""
    from assets.stores.ledgers.job_outcomes import last_outcomes
    from orchestration.doctor.role_health import health_of
    from orchestration.doctor.support_bundle import RUNS, write_bundle

    project, now_utc = call.places, call.clock.now_utc()
    call.doing("looking at services, store and lake")
    documents: dict[str, Any] = {
        "health": [each._asdict() for each in health_of(project)],
        "checks": [*parts(), *project_checks(call)],
    }
    try:
        documents["runs"] = plain(last_outcomes(call.project.store, RUNS))
    except MeterloomError as fault:
        # A store that is the trouble hides nothing else.
        documents["runs"] = {"fault": str(fault)}
    call.doing("gathering logs")
    path = out or project.data_dir / f"support-{now_utc:%Y%m%dT%H%M%SZ}.zip"
    masked = write_bundle(path, project, documents)
    text = f"{path}: {len(masked)} files, {sum(masked.values())} secret(s) masked; look through it before you send it"
    return Answer({"path": str(path), "files": sorted(masked), "masked": sum(masked.values())}, text=text)
