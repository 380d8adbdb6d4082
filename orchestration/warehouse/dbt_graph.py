"""dbt's models in the graph: assets and checks as dagster-dbt makes them, kept in a file beside the manifest.

dagster-dbt loads dbt's core, which costs every process two seconds that only has to know the graph. So it is asked
where the dbt project changed (dbt_translate.py), and everybody else reads its answer.
"""

import hashlib
import uuid
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from assets.stores.warehouse.warehouse import WarehouseTarget
from assets.stores.whole_file import whole_file
from orchestration.warehouse.dbt import STATE_DIR, fingerprint, prepare_manifest
from orchestration.warehouse.dbt_nodes import DbtGraph

# What the stored answer rests on beside the dbt project.
_CODE = (Path(__file__), Path(__file__).with_name("dbt_translate.py"), Path(__file__).with_name("dbt_nodes.py"))


def dbt_graph(target: WarehouseTarget, *, state_dir: Path = STATE_DIR) -> DbtGraph:
    """The graph of the dbt project as it is now."""
    manifest = prepare_manifest(target, state_dir=state_dir)
    path, made_of = manifest.with_name("graph.json"), _made_of()
    kept = _kept(path)
    if kept is not None and kept.made_of == made_of:
        return kept
    from orchestration.warehouse.dbt_translate import translated

    made = translated(manifest, made_of=made_of)
    # Other processes read it at any time: the rename shows them the old or the new one, never half of it.
    with whole_file(path, unfinished=path.with_name(f".{path.name}-{uuid.uuid4().hex}")) as temporary:
        temporary.write_text(made.model_dump_json(), encoding="utf-8")
    return made


def _kept(path: Path) -> DbtGraph | None:
    try:
        return DbtGraph.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        # Never made, or made by code that knew other fields.
        return None


def _made_of() -> str:
    digest = hashlib.sha256(f"{fingerprint()} {version('dagster-dbt')}".encode())
    for path in _CODE:
        digest.update(path.read_bytes())
    return digest.hexdigest()
