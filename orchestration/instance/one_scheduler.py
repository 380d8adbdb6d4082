"""Dagster's instance: one daemon a project, and a webserver that answers through the gate alone, however started."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from data_quality.contracts.errors import BadInput, MeterloomError
from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.time import SystemClock
from orchestration.instance.start_lock import Release, take
from orchestration.instance.warm_launcher import warm_up


class OneScheduler(dg.DagsterInstance):
    """As Dagster's own. Every process opens one; only what is started as the daemon asks for the lock."""

    _held: Release | None = None

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """Dagster's hook: nothing more to configure."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, Any]:
        """Dagster's hook: where nothing is configured, as in its own."""
        return InstanceRef.config_defaults(base_dir)

    def get_required_daemon_types(self) -> Sequence[str]:
        """The daemon asks this first of all, before any of its threads. Exits with one sentence where another runs."""
        if self._held is None and is_daemon(sys.argv):
            try:
                self._held = take(_project(), "daemon")
            except MeterloomError as fault:
                raise SystemExit(f"meterloom: {fault}") from None
            warm_up()
        return super().get_required_daemon_types()

    def optimize_for_webserver(self, *arguments: Any, **named: Any) -> None:
        """Every webserver of the instance asks this before it makes its application, `dagster dev`'s as well."""
        put_behind_gate()
        super().optimize_for_webserver(*arguments, **named)


def put_behind_gate() -> None:
    """From now on the application of this process's webserver stands behind the gate (docs/adr/0034)."""
    from dagster_webserver.webserver import DagsterWebserver

    from orchestration.web.tools.gate import Gate

    make: Any = DagsterWebserver.create_asgi_app

    def make_behind_gate(self: DagsterWebserver, **options: Any) -> Gate:
        return Gate(make(self, **options), _project(), SystemClock(), health=("/server_info",))

    DagsterWebserver.create_asgi_app = make_behind_gate  # type: ignore[method-assign, assignment]


def need_gate(arguments: Sequence[str]) -> None:
    """Raises BadInput in a code server of another instance than the project's: its webserver would have no gate."""
    if tuple(arguments[1:3]) not in (("api", "grpc"), ("code-server", "start")):
        return
    home, own = os.environ.get("DAGSTER_HOME", ""), _project().data_dir / "dagster"
    if not home or Path(home).resolve() != own.resolve():
        raise BadInput(
            f"DAGSTER_HOME is {home or 'not set'} and not {own}: whoever opens that Dagster would need no sign-in",
            reason="another_instance",
            mend="start it with 'meterloom up', or set DAGSTER_HOME and METERLOOM_PROJECT as that does",
        )


def is_daemon(arguments: Sequence[str]) -> bool:
    """True of `dagster-daemon run` and of `python -m dagster._daemon run`, which `dagster dev` starts."""
    program = Path(arguments[0])
    return "run" in arguments[1:2] and (program.name == "dagster-daemon" or program.parent.name == "_daemon")


def _project() -> Project:
    """The one that the sensors serve, whichever folder Dagster's own files lie in. Light: every process opens this."""
    return load_project(Path(os.environ.get("METERLOOM_PROJECT") or "."), os.environ)
