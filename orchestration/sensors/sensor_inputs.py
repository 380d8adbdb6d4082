"""The cheap question of the sensors that ask for staleness: is everything that it rests on as it was at the last tick?

Staleness itself reads the lake's manifest, every site and what every report was printed from. As long as nothing of
that moved, it would give the same requests under the same run keys, which Dagster makes no run of.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg

from assets.kpi.incremental.stage import versions_texts
from assets.sites.load_sites import site_marks
from assets.stores.schema import (
    tables_advice,
    tables_control,
    tables_demand_response,
    tables_experiments,
    tables_signals,
)
from assets.stores.schema.tables_baselines import adjustments, baseline_approvals, baseline_versions
from assets.stores.schema.tables_findings import work_orders, workflow_instances
from assets.stores.schema.tables_readings import lake_merges
from assets.stores.schema.tables_reports import signatures
from assets.stores.schema.tables_web import api_keys
from assets.stores.seals import newest_seals
from assets.stores.tables import PROTECTED
from assets.stores.warehouse.warehouse import built_with, target_of
from orchestration.resources import ProjectResource
from orchestration.warehouse.dbt import fingerprint

# No mart, baseline or report rests on them, and most are written every quarter hour; who signs an act also writes it,
# and merged files hold the same readings.
_DOMAINS = (tables_control, tables_demand_response, tables_experiments, tables_signals, tables_advice)
_SINGLE = (work_orders, workflow_instances, api_keys, signatures, lake_merges)
_BESIDE = (*(each for domain in _DOMAINS for each in vars(domain).values()), *_SINGLE)
RESTS_ON = tuple(table for table in PROTECTED if table not in _BESIDE)
# Another process may be of another version of the code, which may judge otherwise: it asks in full once.
_PROCESS = uuid4().hex
# What an expected day is of; a signature may come behind the act that it proves.
_EXPECTS = (baseline_versions, baseline_approvals, adjustments, signatures)
UNMOVED = dg.SkipReason("nothing has changed since the last look")


def has_moved(context: dg.SensorEvaluationContext, project: ProjectResource) -> bool:
    """False where the last tick, in this process, saw the project just so. The cursor remembers what this one sees."""
    seen = f"{_PROCESS} {inputs_digest(project)}"
    if context.cursor == seen:
        return False
    context.update_cursor(seen)
    return True


def inputs_digest(project: ProjectResource) -> str:
    """Digest of what staleness rests on: rows of the store by their newest seals, files by size and times, the SQL."""
    settings = project.project
    # Whom an approval is believed of stands in the people file.
    files = [settings.people_file, *(settings.marts_dir / f"built_{stage}.json" for stage in ("kpi", "enpi"))]
    target = target_of(settings)
    if target.postgres_url:
        warehouse = repr(sorted(built_with(target).items()))
    else:
        warehouse, files = "", [*files, target.duckdb_file]
    marks = [*_marks(files), *site_marks(settings.sites_dir)]
    seen = [newest_seals(project.store, RESTS_ON), fingerprint(), warehouse, marks]
    return hashlib.sha256(repr(seen).encode()).hexdigest()


def expecting(project: ProjectResource) -> dict[str, str]:
    """Baseline versions of each site's uses (`versions_texts`), proven once: as long as no baseline, act of a person,
    site file or people file moved, thousands of approvals are not proven again because a reading came.
    """
    settings = project.project
    files = [*_marks([settings.people_file]), *site_marks(settings.sites_dir)]
    basis = repr((settings.store_url, newest_seals(project.store, _EXPECTS), files))
    return project.cache.once(
        "expected_by",
        basis,
        lambda: versions_texts([each for each in project.sites.values() if each.seus], project.baselines),
    )


def _marks(paths: list[Path]) -> Iterator[tuple[str, int, int, int]]:
    for path in paths:
        if path.is_file():
            stat = path.stat()
            # The time of change too: a file that is copied over another may bring its old time of writing along.
            yield str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
