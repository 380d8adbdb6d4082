"""Imports allowed between modules, and the home of each library (the table of docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

from tests.syntax import parsed

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("data_quality", "assets", "ml", "controls", "reports", "orchestration")

RANK = {
    "data_quality.contracts": 0,
    "data_quality": 1,
    "assets.sites": 2.1,
    "assets.stores": 2.0,
    "assets.readings": 2.2,
    "assets.feeds": 2.25,
    "assets.tariffs": 2.3,
    "assets.bills": 2.4,
    "assets.carbon": 2.4,
    "assets.kpi": 2.45,
    "assets.advice": 2.46,
    "assets": 2.5,
    "ml": 3,
    "reports": 3,
    "controls.templates": 3.1,
    "controls.safety": 3.2,
    "controls.ledger": 3.2,
    "controls.gateways": 3.2,
    "controls.optimiser": 3.2,
    "controls.programmes": 3.2,
    "controls.planning": 3.3,
    "controls.simulator": 3.3,
    "controls.collector": 3.3,
    "controls.agent": 3.3,
    "controls": 3.4,
    "orchestration": 4,
}
# Rooms of one rank that still may not know each other are told apart by their first name.
HOME = {
    "dbt": ("orchestration.warehouse.dbt",),
    "dagster_dbt": ("orchestration.warehouse.dbt_translate",),
    "duckdb": ("assets.stores",),
    "psycopg": ("assets.stores",),
    "sqlite3": ("assets.stores",),
    "pyarrow": ("assets.stores",),
    "statsmodels": ("ml.baselines", "ml.rooms", "ml.anomalies.stl"),
    "lightgbm": ("ml.forecasts", "ml.anomalies"),
    "sklearn": ("ml.disaggregation", "ml.forecasts.models"),
    "optuna": ("ml.forecasts",),
    "pvlib": ("ml.features",),
    "httpx": ("assets.feeds", "orchestration.notices"),
    "sktime": ("ml.forecasts",),
    "holidays": ("assets.sites.calendar",),
    "mlflow": ("ml.tracking", "orchestration.web.tools.mlflow_app"),
    "great_expectations": ("data_quality.suites",),
    "psutil": ("orchestration.doctor",),
    "pulp": ("controls.optimiser",),
    "highspy": ("controls.optimiser",),
    "paho": ("controls.gateways",),
    "pymodbus": ("controls.gateways",),
    "amqtt": ("controls.gateways",),
    "bacpypes3": ("controls.gateways",),
    "ocpp": ("controls.gateways",),
    "openleadr": ("controls.programmes",),
    "starlette": ("controls.collector", "orchestration.web"),
    "uvicorn": ("controls.gateways.access.http_server",),
    "fastapi": ("orchestration.web",),
    "jinja2": ("orchestration.web",),
    "argon2": ("orchestration.web",),
    "orjson": ("orchestration.web",),
    "websockets": ("controls.gateways",),
    "defusedxml": ("assets.readings.readers.xml_safe",),
    "fastexcel": ("assets.readings.readers.table_formats.xlsx_table",),
    "pypdf": ("assets.bills.documents.read_pdf",),
    "PIL": ("assets.bills.documents.read_scan", "orchestration.previews"),
    "reportlab": ("reports",),
    "xlsxwriter": ("reports",),
    "cryptography": ("assets.stores.sign", "assets.stores.backup.sealed"),
    "matplotlib": ("orchestration.previews",),
    "typer": ("orchestration.cli",),
    "rich": ("orchestration.cli",),
    "dataframely": ("data_quality.contracts.frames",),
    "ruamel": ("data_quality.contracts.yaml_file",),
    "yaml": ("data_quality.contracts.quick_yaml",),
    "sqlalchemy": ("assets.stores", "controls.ledger", "controls.agent", "orchestration.instance.event_log"),
    "alembic": ("assets.stores",),
    "rdflib": ("reports.exports",),
    "pandas": ("ml", "data_quality.suites"),
    "distributed": ("orchestration.workers",),
    "obstore": ("assets.stores.lake.bucket_files",),
}
NO_POLARS = ("controls.agent", "controls.safety", "controls.gateways", "controls.ledger")
HEAVY = {
    "mlflow",
    "statsmodels",
    "sktime",
    "sklearn",
    "great_expectations",
    "pulp",
    "highspy",
    "reportlab",
    "xlsxwriter",
}
HEAVY |= {"matplotlib", "dbt", "lightgbm", "pvlib", "optuna"}


def package(name: str) -> str:
    """The longest key of RANK that prefixes a dotted name, or nothing for a library."""
    found = [key for key in RANK if name == key or name.startswith(f"{key}.")]
    return max(found, key=len, default="")


def is_shell(module: str) -> bool:
    """Only these may know Dagster."""
    return module.startswith("orchestration") or module.endswith(".defs")


def faults(module: str, imported: str, *, is_lazy: bool = True) -> list[str]:
    """Sentences for what is wrong with one import (dotted names)."""
    found, library = [], imported.split(".", 1)[0]
    if (library.startswith("dagster") or imported.endswith(".defs")) and not is_shell(module):
        found.append(f"{module}: dagster belongs in orchestration and defs.py")
    home = HOME.get(library)
    if home and not module.startswith(home):
        found.append(f"{module}: {library} lives in {', '.join(home)}")
    if library in HEAVY and not is_lazy:
        found.append(f"{module}: import {library} inside the function that needs it")
    if library == "polars" and module.startswith(NO_POLARS):
        found.append(f"{module}: starts fast and must not import polars")
    if library in ROOMS and not is_shell(module):
        found += _rank_faults(module, imported)
    if module.endswith(".defs") and library in ROOMS:
        own = module.split(".", 1)[0]
        allowed = {"orchestration.partitions", "orchestration.resources", "orchestration.open_project"}
        allowed |= {"orchestration.previews", "orchestration.previews_plan", "orchestration.warehouse.mart_previews"}
        allowed |= {"orchestration.warehouse.lake_previews"}
        allowed |= {"orchestration.warehouse.dbt", "orchestration.warehouse.dbt_graph"}
        if library == "orchestration" and imported not in allowed and ".".join(imported.split(".")[:2]) not in allowed:
            found.append(f"{module} may not import {imported}")
        if imported.endswith(".defs"):
            found.append(f"{module} may not import another shell ({imported}); the graph joins them by asset key")
        if library in {"ml", "controls", "reports"} and own in {"ml", "controls", "reports"} and own != library:
            found.append(f"{module} may not import {imported}")
    return found


def _rank_faults(module: str, imported: str) -> list[str]:
    mine, theirs = package(module), package(imported)
    if mine == theirs:
        return []
    top_mine, top_theirs = module.split(".", 1)[0], imported.split(".", 1)[0]
    siblings = {"ml", "controls", "reports"}
    if top_mine in siblings and top_theirs in siblings and top_mine != top_theirs:
        return [f"{module} may not import {imported}: rooms of rank 3 meet in contracts and stored data"]
    if RANK[theirs] > RANK[mine] or (RANK[theirs] == RANK[mine] and top_mine == top_theirs):
        return [f"{module} may not import {imported}"]
    return []


def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Every name that a file imports, and whether it does so lazily."""
    tree = parsed(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            known = [name for name in names if (ROOT / Path(*name.split("."))).with_suffix(".py").exists()]
            found += [(name, id(node) not in top) for name in known or [node.module]]
    return found


def modules() -> list[tuple[str, Path]]:
    """Dotted name and path of every module of the rooms."""
    found = []
    for room in ROOMS:
        found += [
            (".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path)
            for path in sorted((ROOT / room).rglob("*.py"))
        ]
    return found


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_a_module_imports_only_what_its_room_may(module: str, path: Path) -> None:
    found = [fault for name, is_lazy in imports_of(path) for fault in faults(module, name, is_lazy=is_lazy)]
    if module.startswith("assets.stores.migrations"):
        found = [fault for fault in found if "stores" not in fault]
    assert found == []


@pytest.mark.parametrize(
    ("module", "imported", "sentence"),
    [
        ("ml.baselines.models.ols", "dagster", "dagster belongs in orchestration and defs.py"),
        ("ml.baselines.models.ols", "reports.figures.trace", "rooms of rank 3 meet in contracts"),
        ("assets.kpi.enpi.daily", "ml.baselines.models.ols", "may not import ml.baselines.models.ols"),
        ("data_quality.contracts.site_file.site", "data_quality.quarantine", "may not import data_quality.quarantine"),
        ("reports.render.render_pdf", "mlflow", "mlflow lives in ml.tracking"),
        ("controls.agent.loop", "polars", "must not import polars"),
        ("assets.sites.load_sites", "assets.kpi.enpi.daily", "may not import assets.kpi.enpi.daily"),
        ("ml.defs", "controls.planning.frozen_plan", "may not import controls.planning.frozen_plan"),
        # Who decides never sees what is true: the house of a closed loop is met through its contract alone.
        ("controls.planning.make", "controls.simulator.house.house", "may not import controls.simulator.house.house"),
        ("controls.optimiser.solve", "controls.simulator.house.truth", "may not import controls.simulator.house.truth"),
        ("ml.rooms.identify_room", "controls.simulator.house.truth", "rooms of rank 3 meet in contracts"),
        ("ml.defs", "controls.simulator.house.house", "may not import controls.simulator.house.house"),
    ],
)
def test_a_forbidden_import_is_named(module: str, imported: str, sentence: str) -> None:
    assert any(sentence in fault for fault in faults(module, imported))


def test_a_heavy_library_at_the_top_of_a_file_is_named() -> None:
    assert faults("ml.baselines.models.ols", "statsmodels.api", is_lazy=False)
    assert not faults("ml.baselines.models.ols", "statsmodels.api", is_lazy=True)


def test_an_init_file_holds_a_docstring_and_nothing_else() -> None:
    for name, path in modules():
        if path.name == "__init__.py":
            body = parsed(path.read_text(encoding="utf-8")).body
            assert len(body) == 1, name
            assert isinstance(body[0], ast.Expr), name
            assert len(str(getattr(body[0].value, "value", ""))) > 10, f"{name} says nothing about its room"
