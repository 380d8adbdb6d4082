"""Dagster's instance, whose daemon starts only where no other one of the project runs."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.settings import load_project
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
                # Of the project that its sensors serve, whichever folder Dagster's own files lie in.
                root = Path(os.environ.get("METERLOOM_PROJECT") or ".")
                self._held = take(load_project(root, os.environ), "daemon")
            except MeterloomError as fault:
                raise SystemExit(f"meterloom: {fault}") from None
            warm_up()
        return super().get_required_daemon_types()


def is_daemon(arguments: Sequence[str]) -> bool:
    """True of `dagster-daemon run` and of `python -m dagster._daemon run`, which `dagster dev` starts."""
    program = Path(arguments[0])
    return "run" in arguments[1:2] and (program.name == "dagster-daemon" or program.parent.name == "_daemon")
