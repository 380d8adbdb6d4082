"""Compiled dbt SQL, as others run it: the definition of the KPIs, and a full build of the warehouse."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from re import sub
from typing import Any

from assets.stores.warehouse.full_build import FullBuild, PlannedNode
from assets.stores.warehouse.warehouse_views import quoted
from data_quality.contracts.errors import OurFault
from data_quality.contracts.reporting.figure import KpiDefinition, SqlModel

# What dbt makes of them on an empty warehouse is one `create … as`, whichever it is.
_KINDS = {"view": "view", "table": "table", "incremental": "table", "seed": "table"}
_TEST = {"severity": "ERROR", "fail_calc": "count(*)", "error_if": "!= 0", "limit": None, "where": None}
# What dbt's seeds take for nothing.
_NULLS = ("", "null")


def definition_of(nodes: Mapping[str, Any], database: str) -> KpiDefinition:
    """The models of a manifest's nodes. database: the name that dbt put before every schema."""
    models = {key: each for key, each in nodes.items() if each["resource_type"] == "model"}
    uses = Counter(read for each in models.values() for read in each["depends_on"]["nodes"])
    return KpiDefinition(
        models=tuple(_model(models[key], set(models), uses[key], database) for key in _in_order(models))
    )


def full_build_of(nodes: Mapping[str, Any], database: str) -> FullBuild:
    """Models, seeds and data tests of a manifest's nodes, each behind what it reads.

    Raises OurFault for a node that asks for more than one statement: such a one only dbt can build.
    """
    wanted = {key: each for key, each in nodes.items() if each["resource_type"] in ("model", "seed", "test")}
    planned = []
    for key in _in_order(wanted):
        node, config = wanted[key], wanted[key]["config"]
        tested = wanted[node["attached_node"]] if node["resource_type"] == "test" else None
        is_plain = all(config[name] == value for name, value in _TEST.items()) if tested else _is_plain(config)
        if not is_plain:
            raise OurFault(f"dbt node {key} cannot be built by one statement: teach full_build.py its form")
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
            )
        )
    return FullBuild(nodes=tuple(planned))


def _is_plain(config: Mapping[str, Any]) -> bool:
    return config["materialized"] in _KINDS and not (config["pre-hook"] or config["post-hook"])


def _in_order(nodes: Mapping[str, Any]) -> Iterator[str]:
    order = TopologicalSorter({key: set(_read_by(each)) & set(nodes) for key, each in nodes.items()})
    order.prepare()
    while order.is_active():
        # Sorted: the same project gives the same text, and so the same hash.
        for key in sorted(order.get_ready()):
            yield key
            order.done(key)


def _read_by(node: Mapping[str, Any]) -> list[str]:
    # A seed reads no node, and its manifest says so by leaving them out.
    return list(node["depends_on"].get("nodes", ()))


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
