"""Marts built by a command, kept until they are reported to Dagster (report_to_dagster.py)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from assets.kpi.incremental.month_gates import Judged
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.dbt_outcome import NodeOutcome

FOLDER = "builds/untold"
# Assets of the graph that a build makes outside of dbt; by stage, the one that publishes.
QUALITY, READINGS, EXPECTED = "core_lake__month_quality", "core_lake__15min_readings", "core_seu__expected_days"
PUBLISHED = {"kpi": "core_marts__published", "enpi": "core_enpi__published"}


class MadeMarts(Model):
    """One build of a stage over months of a site. assets: those of the graph outside of dbt that were made, with the
    facts that the graph shows of them; checks: verdicts by the name of the asset check; nodes: what became of dbt's.
    """

    run_id: str = Field(description="Names the build wherever the graph would write the id of a run")
    at_utc: datetime
    stage: str
    site_id: str
    months: tuple[str, ...] = Field(description="SITE|YYYY-MM")
    assets: Mapping[str, Mapping[str, str | int]]
    checks: Mapping[str, Judged]
    nodes: tuple[NodeOutcome, ...]


def keep(data_dir: Path, made: MadeMarts) -> None:
    """Leave word of a build; it appears whole."""
    # A build of many sites is told of site by site.
    path = data_dir / FOLDER / f"{made.run_id}-{made.site_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(made.model_dump_json(), encoding="utf-8")
    unfinished.replace(path)


def untold(data_dir: Path) -> Iterator[tuple[Path, MadeMarts]]:
    """The builds that Dagster does not know of yet, the oldest first; one in the form of another version is dropped."""
    for path in sorted((data_dir / FOLDER).glob("*.json")):
        try:
            yield path, MadeMarts.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            # Another process told of it meanwhile.
            continue
        except ValidationError:
            path.unlink(missing_ok=True)
