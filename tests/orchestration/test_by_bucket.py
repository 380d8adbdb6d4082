"""A project that outgrew keys by site: 200 buckets, one start of dbt each, and the very same marts."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from typer.testing import CliRunner

from data_quality.contracts.errors import BadInput, RunFailed
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import SystemClock
from orchestration import partitions
from orchestration.cli.main import build_app
from orchestration.instance.by_bucket import decide, is_by_bucket
from orchestration.instance.repartition import record_materialisations
from orchestration.instance.write import instance_environment
from orchestration.month_keys import BUCKETS, bucket_of
from orchestration.open_project import OpenProject
from orchestration.warehouse.fresh import freshen_marts
from tests.orchestration.test_late_reading import SITE, hours, meterloom, write_csv

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def together(places: int) -> list[str]:
    """Names of so many sites that share a bucket."""
    found: dict[str, list[str]] = {}
    for number in count():
        name = f"s{number}"
        found.setdefault(bucket_of(name), []).append(name)
        if len(found[bucket_of(name)]) == places:
            return found[bucket_of(name)]
    raise AssertionError


TRIO = together(3)
ALONE = next(name for name in ("t0", "t1") if bucket_of(name) != bucket_of(TRIO[0]))
SITES = [*TRIO, ALONE]
LATE = datetime(2025, 2, 11, 9, 0, tzinfo=UTC)


def project_of(folder: Path) -> Path:
    """Four sites with two months of readings."""
    CliRunner().invoke(build_app(), ["init", str(folder)])
    (folder / "sites" / "my_site.yaml").unlink()
    for site_id in SITES:
        write_site(folder, site_id)
        file = write_csv(folder / "landing" / f"{site_id}.csv", hours(date(2025, 1, 1), date(2025, 2, 28)))
        meterloom(folder, "ingest", str(file), "--site", site_id)
    return folder


def write_site(folder: Path, site_id: str, *, is_broken: bool = False) -> None:
    """broken: with a meter that never reports, and a gate that blocks."""
    text = {**SITE, "site_id": site_id, "name": site_id}
    if is_broken:
        text |= {"meters": [*SITE["meters"], {"meter_id": "silent"}], "validation": {"gate": "block"}}
    (folder / "sites" / f"{site_id}.yaml").write_text(json.dumps(text))


def late(folder: Path, site_id: str, kwh: float) -> None:
    """Two hours of a meter of February, other than they were."""
    rows = iter([("press", LATE - timedelta(hours=1), kwh), ("press", LATE, kwh)])
    meterloom(folder, "ingest", str(write_csv(folder / f"late-{kwh}.csv", rows)), "--site", site_id)


def graph_of(folder: Path, *reported: str) -> dict[str, Any]:
    """Answer of tests/orchestration/by_bucket_steps.py for the project."""
    variables = {**os.environ, **instance_environment(load_project(folder, {})), "METERLOOM_PROJECT": str(folder)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.orchestration.by_bucket_steps", *reported],
        env=variables, cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def marts(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of the marts."""
    root = load_project(folder, {}).marts_dir
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*.parquet")}


def by_command(folder: Path) -> dict[str, str]:
    """The marts of a copy of the project, made there from nothing by a command, which knows nothing of buckets."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "twin"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("marts", "warehouse*", "builds", "dagster*"))
        project = OpenProject(str(copy))
        # A site that is red is told last.
        with suppress(RunFailed):
            freshen_marts(project, clock=SystemClock(), doing=lambda *_, **__: None)
        project.close()
        return marts(copy)


@pytest.fixture
def grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenProject:
    """An empty project of four sites, in a process whose months stand by bucket."""
    monkeypatch.setattr(partitions, "BY_BUCKET", True)
    CliRunner().invoke(build_app(("init",)), ["init", str(tmp_path / "p")])
    (tmp_path / "p" / "sites" / "my_site.yaml").unlink()
    for site_id in SITES:
        write_site(tmp_path / "p", site_id)
    return OpenProject(str(tmp_path / "p"))


def test_stale_months_of_a_bucket_are_one_run_that_names_its_sites(grown: OpenProject) -> None:
    place, other = bucket_of(TRIO[0]), bucket_of(ALONE)
    stale = [f"{TRIO[0]}|2025-01", f"{TRIO[2]}|2025-02", f"{TRIO[2]}|2025-05", f"{ALONE}|2025-02"]
    asked = partitions.month_spans(stale)
    assert sorted(asked) == sorted(
        [
            (f"2025-01-01|{place}", f"2025-02-01|{place}", (TRIO[0], TRIO[2])),
            (f"2025-05-01|{place}", f"2025-05-01|{place}", (TRIO[2],)),
            (f"2025-02-01|{other}", f"2025-02-01|{other}", (ALONE,)),
        ]
    )
    assert [name for each in asked for name in stale if each.holds(name)] == [*stale[:3], stale[3]]
    lone = next(each for each in asked if each.first.startswith("2025-05"))
    request = partitions.request_of("kpi:1", lone, "month")
    assert (request.partition_key, request.tags) == (f"2025-05-01|{place}", {"meterloom/sites": TRIO[2]})
    about = partitions.sites_of(grown, [lone.first], request.tags)
    assert [site.site_id for site in about] == [TRIO[2]]
    # By hand: all of the bucket.
    assert [site.site_id for site in partitions.sites_of(grown, [lone.first], {})] == sorted(TRIO)
    empty = next(name for name in BUCKETS if name not in {place, other})
    with pytest.raises(BadInput, match=f"no site of this project is in bucket {empty}"):
        partitions.sites_of(grown, [f"2025-01-01|{empty}"], {})


def test_every_site_has_its_bucket_for_ever_and_buckets_are_even() -> None:
    assert [bucket_of(name) for name in ("factory", "home", "tower")] == ["000", "004", "143"]
    sizes = Counter(bucket_of(f"site-{number}") for number in range(10_000))
    assert len(sizes) == len(BUCKETS)
    # 50 on average; a binomial of 10,000 and 1/200 is beyond this once in some ten thousand draws.
    assert max(sizes.values()) < 85


def test_a_project_outgrows_keys_by_site_once(tmp_path: Path) -> None:
    project = load_project(tmp_path, {})
    here = {"METERLOOM_PROJECT": str(tmp_path)}
    assert not decide(project, 1000, now_utc=NOW)
    assert not is_by_bucket(here)
    assert decide(project, 1001, now_utc=NOW)
    assert is_by_bucket(here)
    # Of no project at all, and of one that cannot be read: whoever needs it says so.
    assert not is_by_bucket({"METERLOOM_PROJECT": str(tmp_path / "none")})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "meterloom.yaml").write_text("paths: [")
    assert not is_by_bucket({"METERLOOM_PROJECT": str(tmp_path / "broken")})
    # With fewer again it stays: what was recorded would be lost from view a second time.
    assert decide(project, 3, now_utc=NOW)
    assert (project.data_dir / "months_by_bucket").read_text() == "since 2025-06-01T00:00Z, with 1001 sites\n"


def test_what_was_made_by_site_shows_as_made_by_bucket_after_the_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, mart = load_project(tmp_path, {}), dg.AssetKey("mart_energy__day")
    shared, own = bucket_of(TRIO[0]), bucket_of(ALONE)
    for name, value in instance_environment(project).items():
        monkeypatch.setenv(name, value)
    # February of one of three is not made; a site that is gone counts for nothing.
    of_sites = {f"2025-01-01|{name}" for name in [*SITES, "gone"]} | {
        f"2025-02-01|{name}" for name in [ALONE, *TRIO[1:]]
    }
    with dg.DagsterInstance.get() as instance:
        for key in sorted(of_sites):
            instance.report_runless_asset_event(dg.AssetMaterialization(mart, partition=key))
        instance.report_runless_asset_event(dg.AssetMaterialization("site_baseline", partition=TRIO[0]))
        instance.report_runless_asset_event(dg.AssetMaterialization("registers"))

    whole = {f"2025-01-01|{shared}", f"2025-01-01|{own}", f"2025-02-01|{own}"}
    told: list[int] = []
    for _ in range(2):
        assert decide(
            project, 4, now_utc=NOW, most=3, at_turn=lambda: told.append(record_materialisations(project, SITES))
        )
    assert told == [3]
    # Cut off before the file was left: the next start tells what is missing, here nothing.
    assert record_materialisations(project, SITES) == 0

    months = dg.MonthlyPartitionsDefinition("2025-01-01", end_date="2025-04-01")
    graph = dg.MultiPartitionsDefinition({"month": months, "site_bucket": dg.StaticPartitionsDefinition(BUCKETS)})
    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(mart) == of_sites | whole
        # What the pages show.
        shown = get_and_update_asset_status_cache_value(instance, mart, graph)
        assert shown is not None
        assert set(shown.deserialize_materialized_partition_subsets(graph).get_partition_keys()) == whole
        newest = instance.get_latest_materialization_event(mart)
        assert newest is not None
        assert newest.asset_materialization is not None
        assert newest.asset_materialization.metadata["made"].value == "made before the turn to buckets, by site"
        assert not instance.get_materialized_partitions(dg.AssetKey("site_baseline")) - {TRIO[0]}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_marts_by_bucket_are_those_by_site_and_a_broken_site_stops_no_other(tmp_path: Path) -> None:
    folder = project_of(tmp_path / "grown")
    assert decide(load_project(folder, {}), len(SITES), now_utc=NOW, most=3)

    shared, own = bucket_of(TRIO[0]), bucket_of(ALONE)
    told = graph_of(folder, f"2025-01-01|{shared}")
    spans = {place: [f"2025-01-01|{place}", f"2025-02-01|{place}"] for place in (shared, own)}
    # One run a bucket, so one start of dbt; then nothing is asked.
    wanted = sorted([[spans[shared], sorted(TRIO), True], [spans[own], [ALONE], True]])
    assert [sorted(look) for look in told["kpi"]] == [wanted]
    assert [sorted(look) for look in told["enpi"]] == [wanted]
    assert set(told["recorded"]) == {key for span in spans.values() for key in span}
    assert told["keys"] % len(BUCKETS) == 0
    assert [line.split(" | ")[0].strip("| ") for line in told["reported"][2:]] == sorted(TRIO)
    assert marts(folder) == by_command(folder)

    before = marts(folder)
    late(folder, TRIO[1], 9.5)
    month = f"2025-02-01|{shared}"
    assert graph_of(folder)["kpi"] == [[[[month], [TRIO[1]], True]]]
    after = marts(folder)
    assert after == by_command(folder)
    # Nothing of the other sites of the bucket was recomputed, sums over all sites apart.
    changed = {name for name in after if after[name] != before.get(name) and "portfolio" not in name}
    assert changed
    assert all(TRIO[1] in name for name in changed)

    for site_id in TRIO:
        late(folder, site_id, 4.25)
    write_site(folder, TRIO[0], is_broken=True)
    first, *others = graph_of(folder)["kpi"]
    assert [(sorted(sites), is_good) for _, sites, is_good in first] == [(sorted(TRIO), False)]
    alone = {sites[0]: is_good for _, sites, is_good in others[0]}
    assert alone == {TRIO[0]: False, TRIO[1]: True, TRIO[2]: True}
    # What is red is asked for once more, and then waits until something changes.
    assert [[sites for _, sites, _ in look] for look in others[1:]] == [[[TRIO[0]]]]
    good = {name: sha for name, sha in marts(folder).items() if f"site={TRIO[1]}" in name or f"site={TRIO[2]}" in name}
    assert good
    assert good.items() <= by_command(folder).items()
