"""All commands by name; the modules of a first word are imported when one of its commands is needed."""

from collections.abc import Iterator
from importlib import import_module

from orchestration.operations.operation import OPERATIONS, Operation

# First words of commands, and the modules that hold them, below `orchestration.operations` or in `cli`, in the order of
# the help.
_MODULES = {
    "demo": "cli.project.demo",
    "init": "cli.project.init",
    "next": "project.next",
    "up": "cli.project.up",
    "serve": "cli.project.serve",
    "check": "project.check",
    "findings": "project.findings",
    "alerts": "project.alerts",
    "advise": "project.advise project.advise_trial",
    "orders": "project.orders",
    "workflows": "project.workflows",
    "notices": "project.notices",
    "doctor": "project.doctor",
    "health": "project.doctor",
    "support-bundle": "project.doctor",
    "backup": "project.backup",
    "retention": "project.backup",
    "erase": "project.erase",
    "migrate": "project.migrate",
    "upgrade": "project.migrate",
    "restore": "project.restore",
    "grafana": "project.grafana",
    "sniff": "readings.sniff",
    "ingest": "readings.ingest",
    "pull": "readings.ingest",
    "quarantine": "readings.quarantine",
    "quality": "readings.quality",
    "readings": "readings.readings",
    "export": "exports.espi exports.brick exports.openadr",
    "import": "exports.brick",
    "sources": "readings.sources",
    "lake": "readings.lake",
    "kpis": "reports.kpis",
    "running": "reports.running",
    "disclosure": "reports.disclosure",
    "benchmark": "reports.benchmark",
    "meters": "readings.meters readings.meter_file",
    "tariff": "bills.tariff bills.carriers",
    "bill": "bills.bill bills.reconcile bills.stored_bill bills.bill_acts",
    "carbon": "carbon.carbon carbon.footprint carbon.group",
    "factors": "carbon.factors",
    "seu": "baselines.seu",
    "baseline": (
        "baselines.fit baselines.best baselines.savings baselines.adjust baselines.lifecycle baselines.baseline"
    ),
    "enpi": "baselines.enpi",
    "conformance": "project.conformance",
    "forecast": "control.forecast_stateless control.forecast",
    "anomalies": "readings.anomalies readings.anomaly_events",
    "nilm": "readings.nilm",
    "models": "control.models",
    "weather": "control.weather",
    "plan": "control.plan",
    "plans": "control.plan",
    "rooms": "control.rooms",
    "replay": "control.replay",
    "simulate": "control.simulate",
    "what-if": "control.what_if",
    "what-ifs": "control.what_if",
    "dispatch": "control.dispatch control.dispatch_set",
    "devices": "control.devices",
    "dr": "demand_response.dr_plan demand_response.dr_baseline demand_response.dr_event demand_response.dr_listen",
    "experiment": "control.experiment",
    "offer": "control.offer",
    "agent": "cli.project.agent",
    "report": "reports.report",
    "reports": "reports.reports",
    "trace": "reports.trace",
    "pack": "reports.pack",
    "verify": "reports.pack",
    "keys": "project.keys",
    "people": "project.people",
    "web": "cli.project.web",
}
MODULES: dict[str, tuple[str, ...]] = {
    word: tuple(each if each.startswith("cli.") else f"operations.{each}" for each in modules.split())
    for word, modules in _MODULES.items()
}


def commands_of(word: str) -> Iterator[Operation]:
    """The commands of that first word, in the order of the help; none of a word that no command has."""
    for module in MODULES.get(word, ()):
        held = OPERATIONS[import_module(f"orchestration.{module}").__name__]
        yield from (each for each in held if each.name.split()[0] == word)


def command(name: str) -> Operation:
    """The command of that name, as `bill list`. Raises KeyError for one that this release does not have."""
    found = next((each for each in commands_of(name.partition(" ")[0]) if each.name == name), None)
    if found is None:
        raise KeyError(name)
    return found
