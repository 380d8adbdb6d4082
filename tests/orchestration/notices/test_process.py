"""The process of the notices begins under `up` when somebody wants notices, and once."""

from pathlib import Path

import pytest

from assets.stores.transactions import open_store
from assets.stores.web.preferences import PreferenceStore
from data_quality.contracts.settings import load_project
from orchestration.notices.main import pause_s
from orchestration.supervised.children import Children
from orchestration.supervised.parts import on_demand_processes


def test_the_process_begins_with_the_first_choice_and_not_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    project = load_project(tmp_path, {})
    store = open_store(project.store_url)
    monkeypatch.setattr("orchestration.supervised.parts.LOOK_S", 0.0)
    with Children(tmp_path / "logs") as children:
        [notices] = on_demand_processes(project, [], children, {}, "5")
        notices.begin()
        assert len(children) == 0
        PreferenceStore(store).put("otto", "notices", {"ways": [{"channel": "folder", "address": "otto"}]})
        notices.begin()
        notices.begin()
        assert len(children) == 1
        assert children[0].name == "notices"
        assert children[0].process.poll() is None
    store.close()


def test_looks_at_many_sites_take_a_tenth_of_a_core_at_the_most() -> None:
    assert [pause_s(60.0, looked_s) for looked_s in (0.0, 6.0, 11.0)] == [60.0, 60.0, 99.0]
