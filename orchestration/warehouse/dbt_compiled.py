"""Compiled dbt SQL, as it is run: the definition of the KPIs, and the plan of a warehouse."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from re import sub
from typing import Any

from assets.stores.warehouse.run_nodes import PlannedNode
from assets.stores.warehouse.warehouse_views import overlapping, quoted
from data_quality.contracts.errors import OurFault
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.figure import KpiDefinition, SqlModel

# What dbt makes of them on an empty warehouse is one `create … as`, whichever it is.
_KINDS = {"view": "view", "table": "table", "incremental": "table", "seed": "table"}
_TEST = {"severity": "ERROR", "fail_calc": "count(*)", "error_if": "!= 0", "limit": None, "where": None}
# What dbt's seeds take for nothing.
_NULLS = ("", "null")


class WarehousePlan(Model):
    """All nodes for one engine, each behind what it reads and what judges that."""

    nodes: tuple[PlannedNode, ...]

    def of(self, stage: str, *, is_full: bool) -> list[PlannedNode]:
        """Those of one stage, in building order. is_full: no table keeps a row."""
        found = [each for each in self.nodes if stage in each.stages]
        return [each.model_copy(update={"replaced": ""}) for each in found] if is_full else found


def definition_of(nodes: Mapping[str, Any], database: str) -> KpiDefinition:
    """The models of a manifest's nodes. database: the name that dbt put before every schema."""
    models = {key: each for key, each in nodes.items() if each["resource_type"] == "model"}
    uses = Counter(read for each in models.values() for read in each["depends_on"]["nodes"])
    return KpiDefinition(
        models=tuple(
            _model(models[key], set(models), uses[key], database)
            for key in _in_order({key: _read_by(each, models) for key, each in models.items()})
        )
    )


def plan_of(nodes: Mapping[str, Any], database: str) -> WarehousePlan:
    """Models, seeds and data tests of a manifest's nodes, each behind what it reads and the tests of that.

    Raises OurFault for a node that asks for more than one statement: such a one nobody can run.
    """
    wanted = {key: each for key, each in nodes.items() if each["resource_type"] in ("model", "seed", "test")}
    judges = [(each["attached_node"], key) for key, each in wanted.items() if each["resource_type"] == "test"]
    planned, after = [], {key: _read_by(each, wanted) for key, each in wanted.items()}
    for key, reads in list(after.items()):
        if wanted[key]["resource_type"] != "test":
            after[key] = [*reads, *sorted(test for tested, test in judges if tested in reads)]
    for key in _in_order(after):
        node, config = wanted[key], wanted[key]["config"]
        tested = wanted[node["attached_node"]] if node["resource_type"] == "test" else None
        is_plain = all(config[name] == value for name, value in _TEST.items()) if tested else _is_plain(config)
        if not is_plain:
            raise OurFault(f"dbt node {key} cannot be built by one statement: teach run_nodes.py its form")
        planned.append(
            PlannedNode(
                unique_id=key,
                name=node["name"],
                resource_type=node["resource_type"],
                stages=tuple((tested or node)["tags"]),
                layer=(tested or node)["schema"],
                kind="test" if tested else _KINDS[config["materialized"]],
                tested_model=tested["name"] if tested else "",
                sql=_seed(node) if node["resource_type"] == "seed" else _here(node, database),
                after=tuple(after[key]),
                replaced=_replaced(config),
            )
        )
    return WarehousePlan(nodes=tuple(planned))


def _replaced(config: Mapping[str, Any]) -> str:
    """Condition for the rows that an incremental model replaces. meta.window has a row's period: `starts` and either
    `ends` or `grain`.
    """
    if config["materialized"] != "incremental":
        return ""
    place = config["meta"]["window"]
    starts = f"kept.{place['starts']}"
    ends = f"kept.{place['ends']}" if "ends" in place else f"cast({starts} + interval '1 {place['grain']}' as date)"
    return overlapping(starts, ends)


def _is_plain(config: Mapping[str, Any]) -> bool:
    return config["materialized"] in _KINDS and not (config["pre-hook"] or config["post-hook"])


def _in_order(after: Mapping[str, Collection[str]]) -> Iterator[str]:
    order = TopologicalSorter(after)
    order.prepare()
    while order.is_active():
        # Sorted: the same project gives the same text, and so the same hash.
        for key in sorted(order.get_ready()):
            yield key
            order.done(key)


def _read_by(node: Mapping[str, Any], known: Collection[str]) -> list[str]:
    # A seed reads no node, and its manifest says so by leaving them out.
    return [each for each in node["depends_on"].get("nodes", ()) if each in known]


def _model(node: Mapping[str, Any], models: Collection[str], uses: int, database: str) -> SqlModel:
    reads = sorted(each.rsplit(".", 1)[-1] for each in node["depends_on"]["nodes"] if each in models)
    # Views spare a warehouse its disk; in memory, what several models read is better kept than asked again.
    is_view = uses < 2
    return SqlModel(
        layer=node["schema"], name=node["name"], is_view=is_view, reads=tuple(reads), sql=_here(node, database)
    )


def _here(node: Mapping[str, Any], database: str) -> str:
    """Its SQL for any session: without the database, and without the lines that macros leave empty."""
    return sub(r"\n\s*\n+", "\n", node["compiled_code"].replace(f'"{database}".', "").strip())


def _seed(node: Mapping[str, Any]) -> str:
    types = node["config"]["column_types"]
    header, *rows = csv.reader(io.StringIO(Path(node["root_path"], node["original_file_path"]).read_text("utf-8")))
    if any(types.get(name) != "text" for name in header):
        raise OurFault(f"seed {node['name']} has columns that are no text: teach dbt_compiled.py their types")
    tuples = (", ".join("null" if each in _NULLS else quoted(each) for each in row) for row in rows)
    values = ", ".join(f"({each})" for each in tuples)
    columns = ", ".join(f"cast({name} as text) as {name}" for name in header)
    return f"select {columns} from (values {values}) as seed ({', '.join(header)})"  # noqa: S608
