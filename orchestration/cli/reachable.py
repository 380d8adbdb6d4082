"""Whether broker and servers answer, for `meterloom doctor` and `meterloom check --deep`."""

import socket
from typing import Literal

from orchestration.cli.frame import Call

Status = Literal["ok", "warn", "fail"]


def item(name: str, status: Status, detail: str, mend: str = "") -> dict[str, str]:
    """One line of the doctor's answer."""
    return {"name": name, "status": status, "detail": detail, "mend": mend if status != "ok" else ""}


def reachability(call: Call) -> list[dict[str, str]]:
    """Whether broker and servers answer; nothing listening is normal before `meterloom up`."""
    settings = call.project.project.settings
    addresses = [
        ("broker", settings.mqtt.host, settings.mqtt.port),
        ("dagster", "127.0.0.1", settings.server.dagster_port),
        ("mlflow", "127.0.0.1", settings.server.mlflow_port),
        ("modbus", "127.0.0.1", settings.server.modbus_port),
    ]
    found = []
    for name, host, port in addresses:
        try:
            with socket.create_connection((host, port), timeout=1):
                found.append(item(name, "ok", f"{host}:{port} answers"))
        except OSError:
            found.append(item(name, "fail", f"nothing answers at {host}:{port}", "start it with 'meterloom up'"))
    return found
