"""`meterloom up` while everything runs: simulated homes get their files, and get them at once."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import assets.sites
from assets.sites.load_sites import load_site
from data_quality.contracts.settings import load_project
from orchestration import supervisor


def test_the_first_delivery_waits_for_nothing_on_a_machine_that_has_just_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = load_site(Path(assets.sites.__file__).parent / "demo" / "home.yaml")
    stopped, delivered = threading.Event(), list[str]()

    def deliver(_project: object, site: object, **_options: object) -> None:
        delivered.append(site.site_id)  # type: ignore[attr-defined]
        stopped.set()

    monkeypatch.setattr(supervisor, "deliver_home", deliver)
    # The seconds since its start, as many systems count them.
    monkeypatch.setattr(supervisor, "time", SimpleNamespace(monotonic=lambda: 5.0))
    too_late = threading.Timer(3.0, stopped.set)
    too_late.start()
    supervisor._watch(load_project(tmp_path, {}), {"home": home}, [], stopped)
    too_late.cancel()
    assert delivered == ["home"]
