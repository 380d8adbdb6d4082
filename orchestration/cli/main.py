"""The console script: collects the commands. Each command's module is imported when it is asked for."""

import importlib
import signal
import sys
import warnings

import typer

from orchestration.cli.frame import BUG, _explain
from orchestration.instance.write import BETA_NOTICES

# Command groups and the modules that fill them: importing a module registers its commands on `APP`.
MODULES = (
    "demo",
    "init",
    "up",
    "check",
    "doctor",
    "sniff",
    "ingest",
    "quarantine",
    "quality",
    "readings",
    "kpis",
    "running",
    "meters",
    "tariff",
    "bill",
    "carbon",
    "factors",
    "seu",
    "baseline",
    "enpi",
    "conformance",
    "forecast",
    "models",
    "plan",
    "dispatch",
    "agent",
    "report",
    "reports",
    "trace",
    "pack",
    "verify",
    "keys",
)


def build_app(names: tuple[str, ...] = MODULES) -> typer.Typer:
    """The Typer application with those commands."""
    app = typer.Typer(
        name="meterloom",
        help="From meter file to auditable figure and proven command.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def root() -> None:
        """From meter file to auditable figure and proven command."""

    for name in names:
        importlib.import_module(f"orchestration.cli.{name}").register(app)
    return app


def main() -> None:
    """Entry point of `meterloom`."""
    # A plain kill unwinds like Ctrl-C, so that nothing that we started outlives us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    warnings.filterwarnings("ignore", message=f"({'|'.join(BETA_NOTICES)})")
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        # Only the asked command's module is loaded: `meterloom sniff` need not wait for Dagster.
        build_app((asked,) if asked in MODULES else MODULES)()
    except Exception as fault:  # the process edge: one sentence and an exit code, never a bare traceback
        sys.exit(_explain(fault) or BUG)
