"""The process of the notices begins under `up` when somebody wants notices, and once."""

from pathlib import Path

import pytest

from assets.stores.transactions import open_store
from assets.stores.web.preferences import PreferenceStore
from data_quality.contracts.settings import load_project
from orchestration.supervised import wanted
from orchestration.supervised.children import Children
from orchestration.supervised.wanted import wanted_later


def test_the_process_begins_with_the_first_choice_and_not_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}\n")
    project = load_project(tmp_path, {})
    store = open_store(project.store_url)
    monkeypatch.setattr(wanted, "LOOK_S", 0.0)
    with Children(tmp_path / "logs") as children:
        [notices] = wanted_later(project, [], children, {}, "5")
        notices.begin()
        assert len(children) == 0
        PreferenceStore(store).put("otto", "notices", {"ways": [{"channel": "folder", "address": "otto"}]})
        notices.begin()
        notices.begin()
        assert len(children) == 1
        assert children[0].name == "notices"
        assert children[0].process.poll() is None
    store.close()
