"""Doctor's checks of what a project keeps: who may read it; databases, ledgers, lake and files as they were written;
whether broker and servers answer.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assets.stores.backup.last_backup import backup_age_s, last_backup
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import orphans
from assets.stores.lake.lake_ledger import refusal
from assets.stores.lake.merges import known_paths
from assets.stores.postgres import describe
from assets.stores.published.rendered_files import RenderedFiles
from assets.stores.transactions import Store
from controls.ledger.ledger_trust import distrusted
from data_quality.contracts.database import SCHEMAS, Part, address_of
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project
from orchestration.doctor.ports import State, look

if TYPE_CHECKING:
    from assets.stores.warehouse.mart_digests import MartDigests


# The bits of "others" alone: a group that may read was given that on purpose.
_OTHERS = 0o007
_WAREHOUSE = ("lake", "staging", "intermediate", "marts")
_TRUST_MEND = (
    "restore the store from a backup, and find out who wrote to it; where you put this store here yourself, "
    "'meterloom lake adopt' notes that it goes on from here"
)
_FILE_MEND = "render it again ('meterloom report' or 'meterloom pack'), and find out who wrote to it"
SHOWN, _FILES_SHOWN = 5, 3
_BACKUP_DUE_S = 7 * 86_400


def check_rights(project: Project) -> dict[str, str]:
    """One line. Folders of older projects were made as the system makes folders: open to everybody."""
    looked_at = [each for each in (project.data_dir, project.keys_dir) if each.exists()]
    opened = [each for each in looked_at if each.stat().st_mode & _OTHERS]
    if not opened:
        return item("private", "ok", "nobody else on this machine reads store, lake and keys")
    modes = ", ".join(f"{each} ({each.stat().st_mode & 0o777:04o})" for each in opened)
    return item("private", "warn", f"others may look into {modes}", f"chmod o-rwx {' '.join(map(str, opened))}")


def check_backup(project: Project, now_utc: datetime) -> dict[str, str]:
    """One line: how old the last backup is."""
    last, age_s = last_backup(project), backup_age_s(project, now_utc)
    if last is None or age_s is None:
        return item("backup", "ok", "none was made yet: meterloom backup --to FOLDER")
    detail = f"{last.path}, {age_s / 3600:.1f} h old"
    return item("backup", "ok" if age_s < _BACKUP_DUE_S else "warn", detail, "meterloom backup --to FOLDER, by a timer")


def check_databases(project: Project) -> list[dict[str, str]]:
    """One line a PostgreSQL database with its parts; none where everything is in files."""
    parts: dict[str, list[Part]] = {}
    urls: dict[str, str] = {}
    for part in SCHEMAS:
        if url := project.settings.database.of(part):
            # By address, which has no password: parts may name one database by several URLs.
            parts.setdefault(address_of(url), []).append(part)
            urls[address_of(url)] = url
    return [_database(address, urls[address], held) for address, held in parts.items()]


def _database(address: str, url: str, held: list[Part]) -> dict[str, str]:
    try:
        version, present = describe(url)
    except Unreachable as fault:
        return item("database", "fail", str(fault), "start PostgreSQL, or correct database.url in meterloom.yaml")
    parts = []
    for part in held:
        wanted = [SCHEMAS[part]] if SCHEMAS[part] else _WAREHOUSE
        shown = ", ".join(name if name in present else f"{name} (not made yet)" for name in wanted)
        parts.append(f"{part} in {shown}")
    return item("database", "ok", f"PostgreSQL {version} at {address}: {'; '.join(parts)}")


def check_trust(store: Store, anchors: Path) -> list[dict[str, str]]:
    """A line for the rows of the store, as they were written or not, in words; one more where that could not be noted
    outside of it. anchors: what was noted there.
    """
    found = distrusted(store, anchors)
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return [item("ledger/trust", "fail", "; ".join(found[:SHOWN]) + more, _TRUST_MEND)]
    items = [item("ledger/trust", "ok", "every row is as it was written")]
    try:
        if store.anchors is not None:
            # What a writer could not note that was stopped, or had no room.
            store.anchors.catch_up()
    except (Unreachable, OSError) as fault:
        items.append(item("ledger/anchors", "warn", str(fault), "until then nobody approves, raises or publishes"))
    return items


def check_lake(lake: Lake, site_ids: list[str]) -> list[dict[str, str]]:
    """A line for the readings, with each damaged file and its source by name, and one for files of stopped writers;
    where the lake is not this store's, that alone: every file of it would be told.
    """
    if message := refusal(lake.store, lake.kept):
        return [item("lake ledger", "fail", *message.rsplit("; ", 1))]
    damaged = [fault for site_id in site_ids for fault in lake.damage(site_id)]
    if damaged:
        more = f" and {len(damaged) - _FILES_SHOWN} more" if len(damaged) > _FILES_SHOWN else ""
        message = "; ".join(f"{each.path} {each.fault} (from {each.source_name})" for each in damaged[:_FILES_SHOWN])
        found = [item("lake", "fail", message + more, "ingest the sources again, or restore the files from a backup")]
    else:
        found = [item("lake", "ok", "every file is as it was written")]
    # No fault: files appear before their manifest rows, so a writer that was stopped leaves some that nobody reads.
    left = orphans(lake.root, known_paths(lake.store))
    if left:
        message = f"{len(left)} file(s) of a writer that was stopped, {left[0].relative_to(lake.root)} among them"
        found.append(item("lake leftovers", "warn", message, "the next 'meterloom ingest' sets them aside"))
    return found


def check_files(files: RenderedFiles) -> list[dict[str, str]]:
    """A line for the files with each edited one by name, and one for those without a digest."""
    found = files.compare()
    if found.edited:
        found_lines = [item("reports", "fail", f"edited since they were written: {_named(found.edited)}", _FILE_MEND)]
    else:
        found_lines = [item("reports", "ok", f"{len(found.whole)} rendered file(s) are as they were written")]
    if found.unknown:
        message = f"no digest is kept of {_named(found.unknown)}: older than digests, or not written by this program"
        found_lines.append(item("reports unknown", "warn", message, "render them again"))
    return found_lines


def check_copies(name: str, altered: tuple[str, ...]) -> list[dict[str, str]]:
    """A line for kept copies that were changed; none where all are as they were read."""
    message = f"changed since they were read: {_named(altered)}"
    return [item(name, "fail", message, "put them back from a backup, and find out who wrote to them")] * bool(altered)


def check_landing(changed: tuple[str, ...]) -> list[dict[str, str]]:
    """A line for landed files that are not as they were read; none where all are. A new delivery may have the name of
    an earlier one: no failure.
    """
    mend = "meterloom ingest reads what was delivered anew as a correction; put others back from a backup before that"
    message = f"changed since they were read, and not read again: {_named(changed)}"
    return [item("landing", "warn", message, mend)] * bool(changed)


def check_marts(digests: "MartDigests") -> list[dict[str, str]]:
    """A line for the published marts with each changed one by name, one for digests that the store does not know."""
    found = digests.compare()
    mend = f"delete {digests.marts_dir}/built_*.json: the next 'meterloom kpis' computes and publishes all marts again"
    lines = [item("marts", "ok", f"{found.whole} published file(s) are as they were written")] if found.whole else []
    if found.changed and found.is_publishing:
        text = f"a publication is under way or was broken off: {_named(found.changed)} do not fit their digests yet"
        lines = [item("marts", "warn", text, f"wait for it, or {mend}")]
    elif found.changed:
        lines = [item("marts", "fail", f"edited since they were published: {_named(found.changed)}", mend)]
    if found.unknown and not found.is_publishing:
        text = f"the store keeps no digest of {_named(found.unknown)}: of another store, or not written by this program"
        lines.append(item("marts unknown", "warn", text, f"delete them, and {mend}"))
    return lines


def _named(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more


Status = Literal["ok", "warn", "fail"]
# `meterloom up` takes a free port where another program holds the wanted one.
_STANDING: dict[State, Status] = {"ours": "ok", "free": "ok", "other": "warn", "dead": "fail"}


def item(name: str, status: Status, detail: str, mend: str = "") -> dict[str, str]:
    """One line of the doctor's answer."""
    return {"name": name, "status": status, "detail": detail, "mend": mend if status != "ok" else ""}


def reachability(project: Project) -> list[dict[str, str]]:
    """Broker and servers of this project, a line each: one that does not answer is a failure."""
    return [item(port.name, "ok" if port.state == "ours" else "fail", port.detail, port.mend) for port in look(project)]


def reachability_checks(project: Project) -> list[dict[str, str]]:
    """The same for the doctor: nothing listening is no fault, another program is in the way, a dead broker is one."""
    found = []
    for port in look(project):
        detail = f"{port.detail} (not running)" if port.state == "free" else port.detail
        found.append(item(port.name, _STANDING[port.state], detail, port.mend))
    return found
