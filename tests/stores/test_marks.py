"""Marks of the marts, as another version wrote them."""

from pathlib import Path

from assets.stores.warehouse.marts import Built, read_built, write_built
from data_quality.contracts.work.project_cache import ProjectCache


def test_a_mark_of_another_form_counts_as_none(tmp_path: Path) -> None:
    cache = ProjectCache()
    write_built(tmp_path, "kpi", Built(floor=7))
    assert read_built(tmp_path, "kpi", cache).floor == 7
    (tmp_path / "built_kpi.json").write_text('{"floor": 7, "months": {}, "sites": {}, "taken_away": 1}')
    assert read_built(tmp_path, "kpi", cache) == Built()
