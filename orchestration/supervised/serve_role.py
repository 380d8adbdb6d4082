"""One service in the foreground: the command line and environment of a role, which `meterloom serve ROLE` becomes."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.log import FORMAT_VARIABLE
from data_quality.contracts.settings import Project
from orchestration.doctor.role_files import (
    LOCKED,
    forget_role,
    health_port,
    hold_role,
    roles_dir,
    started,
    web_health,
    write_role,
)
from orchestration.environment import SMALL
from orchestration.instance.by_bucket import FROM_READINGS
from orchestration.instance.start_lock import free
from orchestration.instance.write import CODE_WORKSPACE, WORKSPACE, instance_environment
from orchestration.supervised import parent_watch

_OWN = Path(sys.executable).parent


class Service(NamedTuple):
    """A role's command line. health: as of its role file; environment: on top of that of every service."""

    words: list[str]
    health: str = ""
    environment: Mapping[str, str] = {}


def _module(module: str, project: Project, *words: str) -> list[str]:
    return [sys.executable, "-m", module, "--project", str(project.root), *words]


def _with_port(part: str, module: str, project: Project, *words: str) -> Service:
    port, health = health_port(project.settings.server, part)  # type: ignore[arg-type]
    return Service(_module(module, project, *words), health, port)


def _webserver(project: Project, _: str) -> Service:
    port = project.settings.server.dagster_port
    words = [str(_OWN / "dagster-webserver"), "--host", "127.0.0.1", "--port", str(port), *_logs()]
    place, environment = _workspace(project)
    return Service([*words, *place], f"http://127.0.0.1:{port}/server_info", environment)


def _daemon(project: Project, _: str) -> Service:
    place, environment = _workspace(project)
    return Service([str(_OWN / "dagster-daemon"), "run", *_logs(), *place], LOCKED, environment)


def _logs() -> list[str]:
    """Dagster's own JSON, which has other keys than ours."""
    return ["--log-format", "json"] if _log_format() == "json" else []


def _workspace(project: Project) -> tuple[list[str], dict[str, str]]:
    """Place of the graph: with the role `code` where its port is set, else in a process of the asker's own.

    Both by one name of the location: links, and which schedules are on, hang on it. `--grpc-port` would give another.
    """
    port = project.settings.server.code_port
    if not port:
        return ["--workspace", str(WORKSPACE)], {}
    return ["--workspace", str(CODE_WORKSPACE)], {"METERLOOM_SERVER__CODE_PORT": str(port)}


def _code(project: Project, _: str) -> Service:
    port = project.settings.server.code_port
    if not port:
        raise BadInput(
            "the code server has no port",
            reason="no_port",
            mend="set METERLOOM_SERVER__CODE_PORT for it, the webserver and the daemon alike; without it each of "
            "those two loads the code itself and needs no code server",
        )
    words = [str(_OWN / "dagster"), "code-server", "start", "--host", "127.0.0.1", "--port", str(port), *_logs()]
    words += ["--module-name", "orchestration.definitions", "--location-name", "meterloom"]
    return Service(words, f"tcp://127.0.0.1:{port}")


def _mlflow(project: Project, _: str) -> Service:
    port = project.settings.server.mlflow_port
    return Service(mlflow_words(project, port), f"http://127.0.0.1:{port}/health", mlflow_environment(project))


def mlflow_environment(project: Project) -> dict[str, str]:
    """Variables of MLflow's server: everybody on this machine reads arguments, and the URL may hold a password."""
    return {"MLFLOW_BACKEND_STORE_URI": project.mlflow_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}


def mlflow_words(project: Project, port: int) -> list[str]:
    """The command of MLflow's server."""
    return [
        str(Path(sys.executable).parent / "mlflow"),
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        # Its own application behind the gate.
        "--app-name",
        "meterloom",
        # MLflow starts several by default, each with all its libraries in memory.
        "--workers",
        "1",
        "--default-artifact-root",
        str(project.mlflow_artifacts_dir),
    ]


def _web(project: Project, _: str) -> Service:
    health = web_health(project.settings.server, project.settings.server.web_port)
    return Service(_module("orchestration.web.serve", project), health, SMALL)


def _signals(project: Project, site: str) -> Service:
    return Service([str(_OWN / "meterloom"), "dr", "listen", "--project", str(project.root), "--site", site])


Build = Callable[[Project, str], Service]
# Roles of one site each, which --site names; the others are one a project.
OF_A_SITE: dict[str, Build] = {
    "agent": lambda project, site: _with_port("agent", "controls.agent.main", project, "--site", site),
    "signals": _signals,
}
OF_A_PROJECT: dict[str, Build] = {
    "webserver": _webserver,
    "daemon": _daemon,
    "code": _code,
    "mlflow": _mlflow,
    "web": _web,
    "collector": lambda project, _: _with_port("collector", "controls.collector.main", project),
    "receive": lambda project, _: _with_port("receive", "controls.collector.receive_main", project),
    "notices": lambda project, _: Service(_module("orchestration.notices.main", project), environment=SMALL),
    "scorer": lambda project, _: Service(_module("orchestration.live_scoring.main", project), environment=SMALL),
}
ROLES = (*OF_A_PROJECT, *OF_A_SITE)


def service(project: Project, role: str, site: str) -> tuple[str, Service]:
    """The name of a role's file, and its command. Raises BadInput for an unknown role, or a site that is wrong here."""
    if role not in ROLES:
        raise BadInput(f"unknown role {role!r}; there are {', '.join(ROLES)}", reason="unknown_role")
    if (role in OF_A_SITE) != bool(site):
        message = "is of one site: name it with --site" if role in OF_A_SITE else "serves all sites: leave --site out"
        raise BadInput(f"the role {role} {message}", reason="wrong_site")
    build = OF_A_SITE.get(role) or OF_A_PROJECT[role]
    return f"{role}-{site}" if site else role, build(project, site)


def _log_format() -> str:
    """Log format of the environment; else text on a terminal, and JSON where a service manager keeps it."""
    return os.environ.get(FORMAT_VARIABLE) or ("text" if sys.stderr.isatty() else "json")


def become(project: Project, role: str, site: str = "") -> NoReturn:
    """Turn this process into the parent of the service, whose exit code and answer to SIGTERM it passes on.

    Raises BadInput as `service` and while an erasure runs, OSError where the role file cannot be written.
    """
    name, found = service(project, role, site)
    variables = {**os.environ, **instance_environment(project), FROM_READINGS: "true", **found.environment}
    variables[FORMAT_VARIABLE] = _log_format()
    # The number of this process stays: what `execve` begins is the process that the file names.
    file = write_role(roles_dir(project), started(name, os.getpid(), found.health))
    # For as long as this process or the service lives.
    os.set_inheritable(hold_role(file), True)
    try:
        # The file first: an erasure has its lock before it looks who runs, so that one of the two sees the other. A
        # database that is away has no erasure at work in it.
        with suppress(Unreachable):
            free(project, "project", is_shared=True)
    except BadInput:
        forget_role(roles_dir(project), name)
        raise
    words = [sys.executable, "-I", "-S", str(Path(parent_watch.__file__)), str(file), *found.words]
    os.execve(words[0], words, variables)  # noqa: S606 - words of ours alone
