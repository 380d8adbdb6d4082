"""Health of a project: each of its services, and what they stand on. live: it is there; ready: it does its work."""

import http.client
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from data_quality.contracts.errors import BadInput, MeterloomError
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.find_site import find_site
from data_quality.contracts.time import SystemClock, parse_instant
from orchestration.doctor.ports import TIMEOUT_S
from orchestration.doctor.role_files import LOCKED, RoleFile, forget_role, is_container, roles, roles_dir
from orchestration.instance.start_lock import free

if TYPE_CHECKING:
    from assets.stores.transactions import Store
    from controls.ledger.device_lease import Lease

# Below it a database can no longer be vacuumed, nor a month be written anew (production 3.8).
LEAST_FREE = 0.1
# A role file's name of an agent: this and its site.
_AGENT = "agent-"


class RoleHealth(NamedTuple):
    """One service, or one thing that all of them need. detail: one sentence for people."""

    name: str
    live: bool
    ready: bool
    detail: str


def health_of(project: Project, role: str = "") -> list[RoleHealth]:
    """All of a project, or one role of it. A project without a service has one line that says so."""
    files = {each.name: each for each in roles(roles_dir(project)) if role in ("", each.name)}
    found = {name: _of_service(each, project) for name, each in files.items()}
    # An agent that stands without a role file, or beside that of one before it: systemd starts it by itself.
    if not role or (role.startswith(_AGENT) and not (role in found and found[role].live)):
        for name, lease in _leases(project).items():
            health = _of_lease(lease)
            if name not in found or health.live > found[name].live:
                found[name] = health
            # What was killed lives on in nothing: another one came after it and was ended, or none is wanted any more.
            if not health.live and not found[name].live and _is_over(project, lease, files.get(name)):
                del found[name]
    if role:
        return [found.get(role) or _none(role, f"no service {role} runs")]
    services = [found[name] for name in sorted(found)]
    services = services or [_none("services", "no service runs: meterloom up, or meterloom serve ROLE")]
    return [*services, *(_of_part(name, ask, project) for name, ask in PARTS.items())]


def health_here(project: Project) -> list[RoleHealth]:
    """Services of this container alone, by what their own settings say: what a container is asked for its health. That
    of another, and what all of them stand on, make none of it ill.
    """
    here = [each for each in roles(roles_dir(project)) if not each.is_elsewhere]
    if is_container():
        # It ends with its service: what nobody holds is of a former one, whose space's number was given away again.
        here = [each for each in here if each.is_held or each.is_alive]
    found = [_of_service(each, project) for each in here]
    return found or [_none("services", "no service runs here")]


def _none(name: str, detail: str) -> RoleHealth:
    return RoleHealth(name, live=False, ready=False, detail=detail)


def acknowledge(project: Project, role: str) -> None:
    """Let nobody wait for a service that was killed, or whose machine is gone: its file goes, and an agent's lease is
    given back. Raises BadInput for one that runs, and for none.
    """
    from controls.ledger.device_lease import release_lease

    file = {each.name: each for each in roles(roles_dir(project))}.get(role)
    lease = _leases(project).get(role)
    now_utc = SystemClock().now_utc()
    if file is not None and (file.is_held or (file.is_alive and not file.may_be_gone)):
        raise BadInput(
            f"{file.description} is there, or is started again", reason="role_runs", mend="end it where it was started"
        )
    if lease is not None and lease.holder and now_utc < lease.expires_utc:
        raise BadInput(f"{role}: {_of_lease(lease).detail}", reason="role_runs", mend="end it where it was started")
    if file is None and (lease is None or not lease.holder):
        raise BadInput(f"no service {role} was killed", reason="unknown_role", mend="name one that 'health' names")
    if lease is not None and lease.holder:
        with _opened(project) as store:
            release_lease(store, lease, now_utc=now_utc)
    forget_role(roles_dir(project), role)


def _leases(project: Project) -> "dict[str, Lease]":
    """Lease of each agent as the store knows it, on whatever machine: an agent keeps that of its site, and gives it
    back where it is ended. Empty where the store does not say.
    """
    from assets.stores.revisions import store_revision_of
    from controls.ledger.device_lease import leases

    try:
        with _opened(project) as store:
            found = [] if store_revision_of(store.engine).steps else leases(store)
    except (MeterloomError, OSError):
        # The line of the store says so.
        return {}
    return {f"{_AGENT}{each.site_id}": each for each in found}


def _of_lease(lease: "Lease") -> RoleHealth:
    is_held = bool(lease.holder) and SystemClock().now_utc() < lease.expires_utc
    detail = f"holds the lease until {lease.expires_utc:%Y-%m-%dT%H:%M:%SZ}" if is_held else (
        f"its lease ran out {lease.expires_utc:%Y-%m-%dT%H:%M:%SZ} and was not given back: it is gone"
    )  # fmt: skip
    name = f"{_AGENT}{lease.site_id}"
    return RoleHealth(name, live=is_held, ready=is_held, detail=f"agent {lease.holder} {detail}")


def _is_over(project: Project, lease: "Lease", file: RoleFile | None) -> bool:
    """True where the lease was given back since the process of the file began, or the site has no device any more."""
    if not lease.holder and (file is None or parse_instant(file.since_utc) < lease.expires_utc):
        return True
    path = project.sites_dir / f"{lease.site_id}.yaml"
    # A site file that cannot be read says nothing of its devices.
    with suppress(BadInput):
        return not path.exists() or not any(asset.template for asset in find_site(project, lease.site_id).assets)
    return False


def _of_service(role: RoleFile, project: Project) -> RoleHealth:
    if not role.is_alive:
        detail = {
            "running": f"process {role.pid} is gone, started {role.since_utc}",
            "restarting": f"ended {role.restarts + 1} time(s) and is started again",
            "given_up": "ended too often and is not started again; see its log",
        }[role.state]
        return _none(role.name, detail)
    is_ready, detail = _schedules(project) if role.health == LOCKED else answer_of(role.health)
    if role.is_elsewhere and not is_ready:
        return _none(role.name, f"of another container, since {role.since_utc}; {detail}")
    details = [f"process {role.pid} since {role.since_utc}", f"restarted {role.restarts} time(s)" * bool(role.restarts)]
    return RoleHealth(role.name, live=True, ready=is_ready, detail="; ".join(filter(None, [*details, detail])))


def _schedules(project: Project) -> tuple[bool, str]:
    """State of Dagster's daemon by its lock, which it takes once it has read its instance."""
    try:
        free(project, "daemon")
    except BadInput:
        return True, "starts runs"
    return False, "starting, or refused: it does not hold its lock"


def answer_of(address: str) -> tuple[bool, str]:
    """State of a service by its own word, and the first line of it. address: as of a role file."""
    if not address:
        return True, ""
    at = urlsplit(address)
    host, port = at.hostname or "127.0.0.1", at.port or 0
    try:
        if at.scheme == "tcp":
            with socket.create_connection((host, port), TIMEOUT_S):
                return True, ""
        line = _line(at.scheme, host, port)
        try:
            line.request("GET", at.path)
            answer = line.getresponse()
            lines = answer.read(300).decode("utf-8", "replace").strip().splitlines()
            return answer.status == http.client.OK, "" if "html" in answer.headers.get("Content-Type", "") else lines[0]
        finally:
            line.close()
    except (OSError, http.client.HTTPException, IndexError) as fault:
        return False, f"no answer at {host}:{port}: {fault}"


def _line(scheme: str, host: str, port: int) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    # Our own service on this machine; its certificate bears the name by which others reach it.
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl._create_unverified_context())  # noqa: S323


def _of_part(name: str, ask: Callable[[Project], tuple[bool, str]], project: Project) -> RoleHealth:
    try:
        is_ready, detail = ask(project)
    except (MeterloomError, OSError) as fault:
        return _none(name, str(fault))
    return RoleHealth(name, live=True, ready=is_ready, detail=detail)


def _store(project: Project) -> tuple[bool, str]:
    """It answers, at the revision of this version. Nothing is migrated by looking."""
    from assets.stores.revisions import store_revision_of

    with _opened(project) as store:
        found = store_revision_of(store.engine)
    if found.refusal:
        return False, found.refusal
    return not found.steps, f"revision {found.present}" + f", {len(found.steps)} step(s) behind" * bool(found.steps)


def _lake(project: Project) -> tuple[bool, str]:
    """Its files can be listed, and are this store's."""
    # Whoever asks for one role alone, every half minute, loads none of it.
    from assets.stores.lake.lake import Lake
    from assets.stores.lake.lake_ledger import refusal
    from assets.stores.revisions import store_revision_of

    with _opened(project) as store:
        if store_revision_of(store.engine).steps:
            return False, "not looked at before the store is migrated"
        lake = Lake(project.lake_dir, store, address=project.settings.paths.lake)
        fault = refusal(store, lake.kept)
    return not fault, fault or f"at {lake.kept.address}"


@contextmanager
def _opened(project: Project) -> "Iterator[Store]":
    """The store as it stands. Raises Unreachable."""
    from assets.stores.transactions import DatabaseError, connect_store
    from assets.stores.unreachable import world_fault

    store = connect_store(project.store_url)
    try:
        yield store
    except DatabaseError as fault:
        raise world_fault(fault, project.store_url) or fault from fault
    finally:
        store.close()


def _disk(project: Project) -> tuple[bool, str]:
    usage = shutil.disk_usage(project.data_dir)
    share = usage.free / usage.total
    return share > LEAST_FREE, f"{usage.free / 1e9:.1f} GB free, {share:.0%} of the disk"


def _backup(project: Project) -> tuple[bool, str]:
    """Age of the last one; a person decides whether that is too old."""
    from assets.stores.backup.last_backup import last_backup

    last = last_backup(project)
    return True, "none was made yet" if last is None else f"the last of {last.made_utc:%Y-%m-%d %H:%M}Z"


PARTS: dict[str, Callable[[Project], tuple[bool, str]]] = {
    "store": _store,
    "disk": _disk,
    "lake": _lake,
    "backup": _backup,
}
