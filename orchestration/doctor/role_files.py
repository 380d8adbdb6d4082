"""Role files: one a service that runs on a project, with its process and the address of its health, for `health`.

They stand in `var/run`, written by who starts the service: `meterloom up` for all of its own, `meterloom serve` for
its one. A file whose process is gone is what is left of a service that was killed; one that was ended leaves none. A
process in another container is not seen from here, but the lock that it has on its file is, and goes with it.
"""

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil
from pydantic import ValidationError

from controls.gateways.ports import free_port
from data_quality.contracts.model import Model
from data_quality.contracts.settings import Project, ServerSettings
from data_quality.contracts.time import SystemClock

# Health of Dagster's daemon, which has no port: it holds its lock.
LOCKED = "lock:daemon"
RoleState = Literal["running", "restarting", "given_up"]


class RoleFile(Model):
    """A service as it was started. began_s: start of its process, s since the machine's, which tells it from a later
    process of the same number whatever the clock was set to; health: http address that answers 200 while it does its
    work, `tcp://host:port` for one that only takes connections, `lock:daemon`, empty where it has none; space, boot: as
    `numbers_of` and `boot_of` say where it was started; is_held: as read, the file is locked by who wrote it.
    """

    name: str
    pid: int
    began_s: float
    since_utc: str
    health: str = ""
    state: RoleState = "running"
    restarts: int = 0
    space: str = ""
    boot: str = ""
    is_held: bool = False

    @property
    def host(self) -> str:
        """Name of its machine or container."""
        return self.space.partition(" ")[0]

    @property
    def is_elsewhere(self) -> bool:
        """Its process number says nothing here: it is one of another container or machine."""
        return bool(self.space) and self.space != numbers_of()

    @property
    def is_unseen(self) -> bool:
        """It may run on another machine, from where no lock need reach us; one of this machine before its last start,
        or of a container of this one, is seen.
        """
        return self.is_elsewhere and self.boot != boot_of() and (not self.boot or self.host != socket.gethostname())

    @property
    def is_alive(self) -> bool:
        """Its process is there, and is the one that was started; elsewhere, its lock is, or nobody can tell."""
        if self.state != "running" or not self.is_elsewhere:
            is_of_boot = self.boot in ("", boot_of())
            return self.state == "running" and is_of_boot and began(self.pid) == self.began_s
        return self.is_held or self.is_unseen

    @property
    def may_be_gone(self) -> bool:
        """Only a person can say whether it is."""
        return self.is_unseen and not self.is_held

    @property
    def description(self) -> str:
        """Its name, process, place and start, and how a person says that one on another machine is gone."""
        gone = f"; if that machine is gone for good: meterloom health --acknowledge {self.name}" * self.may_be_gone
        return f"{self.name} (process {self.pid} on {self.host or socket.gethostname()}, since {self.since_utc}{gone})"


def roles_dir(project: Project) -> Path:
    """Folder of the role files."""
    return project.data_dir / "run"


def numbers_of() -> str:
    """Machine or container within which process numbers are unique; empty where the system does not say."""
    with suppress(OSError):
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def is_container() -> bool:
    """Process numbers are not the machine's own, whose space has the same number on every Linux."""
    return bool(space := numbers_of()) and not space.endswith(" pid:[4026531836]")


def boot_of() -> str:
    """The machine since its last start, the same in all of its containers; empty where the system does not say."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def began(pid: int) -> float | None:
    """Start of a process, s since the machine's; None where it is gone or ended and not yet reaped."""
    try:
        process = psutil.Process(pid)
        # Both by the system's clock, which is set again: after an hour without the net, or by a leap second.
        since_s = round(process.create_time() - psutil.boot_time(), 2)
        return None if process.status() == psutil.STATUS_ZOMBIE else since_s
    except psutil.Error:
        return None


def started(name: str, pid: int, health: str = "", *, restarts: int = 0) -> RoleFile:
    """The role of a process that has just begun."""
    since_utc = f"{SystemClock().now_utc():%Y-%m-%dT%H:%M:%SZ}"
    return RoleFile(
        name=name, pid=pid, began_s=began(pid) or 0.0, since_utc=since_utc, health=health, restarts=restarts,
        space=numbers_of(), boot=boot_of(),
    )  # fmt: skip


def health_port(server: ServerSettings, part: Literal["agent", "collector", "receive"]) -> tuple[dict[str, str], str]:
    """Variables that give a part its own port, a free one where none is set, and the address of its health there."""
    port = getattr(server, f"{part}_port") or free_port()
    return {f"METERLOOM_SERVER__{part.upper()}_PORT": str(port)}, f"http://127.0.0.1:{port}/healthz"


def web_health(server: ServerSettings, port: int) -> str:
    """The address at which the pages say whether they are of use."""
    return f"{server.bound_url(port)}/readyz"


def write_role(folder: Path, role: RoleFile) -> Path:
    """Write it whole. Returns its file. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = folder / f".{role.name}.{os.getpid()}"
    temporary.write_text(role.model_dump_json(), encoding="utf-8")
    return temporary.replace(folder / f"{role.name}.json")


def hold_role(file: Path) -> int:
    """Lock a role's file: it is alive until the answer, a descriptor, is closed here and wherever it is inherited."""
    # For writing: NFS locks no other file for one alone. Where there are no locks at all, all count as locked.
    number = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    with suppress(OSError):
        fcntl.flock(number, fcntl.LOCK_EX)
    return number


def _is_held(file: Path) -> bool:
    number = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Shared: two that ask are not in each other's way. A file system without locks says nothing of a death.
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(number)
    return False


def forget_role(folder: Path, name: str) -> None:
    """Remove the file of a service that was ended on purpose."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def roles(folder: Path) -> list[RoleFile]:
    """Services by name; a file that is none of ours is no service."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            role = RoleFile.model_validate_json(path.read_bytes())
            found.append(role.model_copy(update={"is_held": _is_held(path)}))
        except (ValidationError, FileNotFoundError):
            continue
    return found
