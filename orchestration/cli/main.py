"""The console script: collects the commands. Each command's module is imported when it is asked for."""

import ast
import atexit
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from data_quality.contracts.errors import OurFault
from orchestration.cli.frame import add_to, explain, written
from orchestration.cli.terminal import CONTEXT, Group, spell_for_terminals
from orchestration.environment import SMALL, loading
from orchestration.instance.write import BETA_NOTICES
from orchestration.operations.answer import BUG, CHECK_FAILED, DONE, Answer
from orchestration.operations.commands import MODULES, commands_of
from orchestration.operations.operation import Call, Operation

# First words that are groups of commands.
GROUPS = {
    "quarantine": "Refused files and rows.",
    "readings": "Edits of readings and events of meters.",
    "export": "Open formats: Green Button (ESPI), Brick, OpenADR reports.",
    "import": "Open formats: draft of a site file from Brick.",
    "sources": "Live and pulled sources: state, one value of each point, what comes in.",
    "lake": "The lake's files: what stopped writers left.",
    "retention": "Copies past their age.",
    "grafana": "Boards for Grafana over PostgreSQL.",
    "meters": "Meter hierarchy: list, discover, propose, accept, balance.",
    "tariff": "Tariffs: list those that are shipped, render, validate, convert.",
    "bill": "Bills: compute, compare, audit.",
    "carbon": "Carbon: Scope 1 and 2 of activities, by the hour, of a site; restatements.",
    "factors": "Emission factors: import public tables, record sets, list them.",
    "seu": "Significant energy uses.",
    "baseline": "Energy baselines.",
    "forecast": "Forecasts: backtest and run on plain files; issue, list, show, score those of a site.",
    "anomalies": "Anomalies: find them, list stored ones, acknowledge, mute, explain, label; learn from labels.",
    "nilm": "Load disaggregation: a circuit's energy by class of load; run, list, show.",
    "models": "Registered models.",
    "weather": "Weather forecasts, as they were known.",
    "rooms": "Rooms: what their temperatures say of the heat that they keep.",
    "plans": "Stored plans: list, show.",
    "what-ifs": "Stored what-ifs.",
    "dr": "Demand response: sheddable loads, curtailment plans, events settled against baselines.",
    "dr loads": "Sheddable loads of a site.",
    "dr event": "Events from the call to the settlement, each act by a named person.",
    "dispatch": "Commands to devices, and their proof.",
    "experiment": "Experiments: days drawn to follow the former habit, and what control saves.",
    "devices": "Devices: templates, one value, a scan, a test that reads.",
    "reports": "Stored reports.",
    "disclosure": "Data points of disclosure packs: list packs, name gaps, answer.",
    "findings": "What needs somebody: list, acknowledge, mute, explain.",
    "alerts": "Alert rules: list their versions, see when one would have fired.",
    "workflows": "Workflows: list, show, run, approve.",
    "advise": "Recommendations: find, list, show, acknowledge, schedule, accept, dismiss, measure.",
    "advise ab": "Two ways to advise, side by side.",
    "orders": "Work orders: list, show, create, assign, close, export.",
    "notices": "What people are told of findings, and how: list, choose, test, retry.",
    "keys": "Keys that people sign with, and keys of machines.",
    "people": "People: add, change roles and sites, withdraw access.",
    "web": "Pages and API: serve them, invite people.",
}


# Nearly all that a command makes lives as long as it does, so the collector looks a thirtieth as often as by Python's
# 700 objects: a twelfth of the demo went into looking.
GARBAGE_THRESHOLDS = (20_000, 20, 20)
# What one wants -> the commands for it, in the order of the help.
_PANELS = {
    "Get data in": "init next sniff ingest pull quarantine readings sources meters factors tariff weather",
    "Look": "findings kpis running benchmark enpi seu quality anomalies bill carbon forecast models",
    "Prove": "baseline nilm report disclosure reports trace pack export import verify keys conformance",
    "Act": "advise plan plans dr rooms replay simulate what-if what-ifs experiment dispatch devices offer",
    "Run": (
        "demo up serve web people agent check alerts orders workflows notices doctor health support-bundle "
        "lake backup restore retention erase migrate upgrade grafana"
    ),
}
PANELS = {title: tuple(words.split()) for title, words in _PANELS.items()}


class Root(Group):
    """All commands, grouped by what one wants."""

    panels = PANELS


def _version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"meterloom {version('meterloom')}")
        raise typer.Exit


@cache
def build_app(names: tuple[str, ...] = tuple(MODULES), *, is_glance: bool = False) -> typer.Typer:
    """The Typer application with those commands. is_glance: for its first page alone; no command can be called."""
    app = typer.Typer(
        name="meterloom",
        cls=Root,
        context_settings=CONTEXT,
        help="From meter file to auditable figure and proven command.",
        no_args_is_help=True,
        # Typer's own tracebacks print local variables, passwords among them.
        pretty_exceptions_enable=False,
        # Square brackets in help texts are metavars, not markup.
        rich_markup_mode=None,
    )

    # Without a callback Typer turns an application of one command into that command, and `sniff` would be a file.
    @app.callback()
    def root(
        version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
        ] = False,
    ) -> None:
        """From meter file to auditable figure and proven command."""

    for name in names:
        found = glanced(name, MODULES[name]) if is_glance else list(commands_of(name))
        home = app
        if name in GROUPS:
            answers_itself = any(each.name == name for each in found)
            home = typer.Typer(cls=Group, help=GROUPS[name], no_args_is_help=not answers_itself)
            app.add_typer(home, name=name)
        inner: dict[str, typer.Typer] = {}
        for each in found:
            group, _, _ = each.name.rpartition(" ")
            if group not in ("", name) and group not in inner:
                inner[group] = typer.Typer(cls=Group, help=GROUPS[group], no_args_is_help=True)
                home.add_typer(inner[group], name=group.removeprefix(f"{name} "))
            add_to(inner.get(group, home), each, is_group=each.name in GROUPS)
    return app


def main() -> None:
    """Entry point of `meterloom`."""
    spell_for_terminals()
    try:
        _run()
        leave(DONE)
    except SystemExit as end:
        # A sentence instead of a number is Python's own way to end with 1.
        leave(end.code if isinstance(end.code, int) else DONE if end.code is None else CHECK_FAILED)


def leave(code: int) -> NoReturn:
    """End the process; with DuckDB loaded without taking the interpreter apart. Where a library keeps one of DuckDB's
    objects to the very end, its binding prints forty lines of what it takes for lost, and has no switch for that.
    """
    if "duckdb" not in sys.modules:
        sys.exit(code)
    # All that Python does before it takes its modules apart: threads, what was registered, what is unwritten.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    written()
    os._exit(code)


def _run() -> None:
    # A plain kill unwinds like Ctrl-C, so that nothing that we started outlives us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    warnings.filterwarnings("ignore", message=f"({'|'.join(BETA_NOTICES)})")
    # A shell that completes hands the words over in the environment, by a name of its own.
    completed = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS") or ""
    words = completed.split() if "_METERLOOM_COMPLETE" in os.environ else sys.argv
    command = next((word for word in words[1:] if not word.startswith("-")), "")
    if command == "web":
        for name, value in SMALL.items():
            os.environ.setdefault(name, value)
    else:
        gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        with loading():
            # Only the asked command's module is loaded: `meterloom sniff` need not wait for Dagster.
            app = build_app((command,)) if command in MODULES else build_app(is_glance=True)
            gc.freeze()
        app()
    except Exception as fault:  # the process edge: one sentence and an exit code, never a bare traceback
        sys.exit(explain(fault) or BUG)


def glanced(name: str, modules: Iterable[str]) -> list[Operation]:
    """The command of those first words with its docstring, which is all that it can do; none where it is a group.

    modules: dotted, below `orchestration`, as MODULES lists them.
    """
    for module in modules:
        path = Path(__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and name in map(_words, node.decorator_list):

                def nothing(call: Call) -> Answer:
                    raise OurFault("a command of which only the help was read was called")

                nothing.__doc__ = ast.get_docstring(node)
                return [Operation(name, "", nothing)]
    return []


def _words(decorator: ast.expr) -> str:
    """First argument of `@operation("bill list", ...)`; nothing of any other decorator."""
    is_ours = (
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "operation"
    )
    argument = decorator.args[0] if is_ours and isinstance(decorator, ast.Call) else None
    return str(argument.value) if isinstance(argument, ast.Constant) else ""
