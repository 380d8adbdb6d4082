"""The tools that say what size costs: they go on where they broke off, and add up what they planned."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestration.partitions import MONTHS
from tests.bench import fleet_simulation, scale_bench


def one(cpu_s: float, exit_code: int = 0) -> dict[str, Any]:
    return {"cpu_s": cpu_s, "peak_mib": 100, "wall_s": 1.0, "exit": exit_code, "said": "", "files": 4, "bytes": 1000}


def test_a_bench_that_broke_off_goes_on_with_the_project_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "20" / "project"
    project.mkdir(parents=True)
    (tmp_path / "20" / "files.txt").write_text("a.csv\n")
    done: list[str] = []

    def measured(line: list[str], *, within_s: float) -> dict[str, Any]:
        assert within_s == 9.0
        step = line[-1]
        done.append(step)
        seen = {path.name for path in project.iterdir()}
        (project / f"half-{step}").touch()
        if done == ["ingest", "fit"]:
            raise KeyboardInterrupt
        assert seen == ({"half-ingest"} if step == "fit" else set())
        return one(1.0)

    monkeypatch.setattr(scale_bench, "command", lambda step, *_: [step])
    monkeypatch.setattr(scale_bench, "measured", measured)
    found: dict[str, dict[str, Any]] = {}
    given = {"within_s": 9.0, "folder": tmp_path / "20", "found": found, "keep": lambda: None}
    with pytest.raises(KeyboardInterrupt):
        scale_bench.bench(20, 1, ["ingest", "fit"], **given)  # type: ignore[arg-type]
    assert list(found) == ["ingest"]
    scale_bench.bench(20, 1, ["ingest", "fit"], **given)  # type: ignore[arg-type]
    assert (done, list(found)) == (["ingest", "fit", "fit"], ["ingest", "fit"])


def test_a_record_of_as_many_months_is_added_to(tmp_path: Path) -> None:
    record = tmp_path / "capacity.json"
    assert scale_bench.known_sizes(record, 1) == {}
    record.write_text(json.dumps({"months": 1, "sizes": {"50": {"fit": one(2.0)}}}))
    assert scale_bench.known_sizes(record, 1) == {50: {"fit": one(2.0)}}
    assert scale_bench.known_sizes(record, 12) == {}


def test_a_fleet_costs_what_its_pieces_cost() -> None:
    record = {"months": 1, "machine": "one", "sizes": {"10": {"kpis": one(12.0)}, "20": {"kpis": one(14.0)}}}
    costs = fleet_simulation.costs_of(record)
    cost = costs["kpis"]
    assert (cost.start_s, cost.meter_s, cost.most) == pytest.approx((10.0, 0.2, 20))
    pieces = fleet_simulation.pieces_of(fleet_simulation.fleet(100, 10), costs)
    # A thousand meter-months a build, where a site brings twelve more for its calendar: 45 sites, twice,
    # and 10; beyond twenty meters in proportion.
    assert pieces["kpis"] == [pytest.approx(14 * 10 * sites / 20) for sites in (45, 45, 10)]
    assert fleet_simulation.hours([3600.0, 1800.0, 1800.0], 2) == 1.0
    # Beyond a thousand sites a run takes those of a bucket.
    many = fleet_simulation.pieces_of(fleet_simulation.fleet(2_000, 1), costs)
    assert (len(many["kpis"]), sum(many["kpis"])) == (200, pytest.approx(200 * 10.0 + 2_000 * 0.2))
    reported = [received for _, received in fleet_simulation.limits(100_000, 10, costs, pieces)]
    # Another month begins on the first of each.
    keys = f"partition keys: {200 * len(MONTHS.get_partition_keys()):,} of month and bucket, 100,000 of sites"
    assert any(received.startswith(keys) for received in reported)
    assert fleet_simulation.costs_of({**record, "sizes": {"10": {"kpis": one(1.0, 3)}}}) == {}
