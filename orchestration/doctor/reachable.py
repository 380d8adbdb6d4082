"""Whether this project's broker and servers answer, for `meterloom doctor` and `meterloom check --deep`."""

from typing import Literal

from data_quality.contracts.settings import Project
from orchestration.doctor.ports import State, look

Status = Literal["ok", "warn", "fail"]
# `meterloom up` takes a free port where another program holds the wanted one.
_STANDING: dict[State, Status] = {"ours": "ok", "free": "ok", "other": "warn", "dead": "fail"}


def item(name: str, status: Status, detail: str, mend: str = "") -> dict[str, str]:
    """One line of the doctor's answer."""
    return {"name": name, "status": status, "detail": detail, "mend": mend if status != "ok" else ""}


def reachability(project: Project) -> list[dict[str, str]]:
    """Whether broker and servers of this project answer; anything else is a failure."""
    return [item(port.name, "ok" if port.state == "ours" else "fail", port.detail, port.mend) for port in look(project)]


def standing(project: Project) -> list[dict[str, str]]:
    """The same for the doctor: nothing listening is no fault, another program is in the way, a dead broker is one."""
    found = []
    for port in look(project):
        detail = f"{port.detail} (not running)" if port.state == "free" else port.detail
        found.append(item(port.name, _STANDING[port.state], detail, port.mend))
    return found
