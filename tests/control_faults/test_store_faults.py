"""A disk that is full or fails, and commits without an answer: no record, no command, and every device goes home."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assets.stores.transactions import Store, open_store
from tests.control_faults.conftest import ended
from tests.control_faults.virtual_site import VirtualSite

ROOT = Path(__file__).resolve().parents[2]
# From its own clock the agent gives up ten seconds after it last renewed its lease, and one cycle later it is done.
STOPS_WITHIN_S = 12.0


@pytest.mark.parametrize("error", ["", "ENOSPC", "EIO"], ids=["limit", "ENOSPC", "EIO"])
def test_fault_f34_f35_a_ledger_that_cannot_be_written_stops_dispatch_and_loses_nothing(
    tmp_path: Path, error: str
) -> None:
    """A limit on files is the twin without root of a full disk; strace lets the system calls themselves fail."""
    if error and shutil.which("strace") is None:
        pytest.skip("no strace: apt-get install -y strace")
    open_store(f"sqlite:///{tmp_path / 'store.db'}").close()
    command = [sys.executable, "-m", "tests.control_faults.full_disk", str(tmp_path)]
    command += ["--error", error] if error else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250)
    if "attach" in done.stderr and "permitted" in done.stderr:
        pytest.skip("no process may be traced here")
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["sent"] == []
    assert found["home_s"] <= STOPS_WITHIN_S
    assert found["trouble"]
    assert found["problems"] == []
    assert set(found["proven"]) <= set(found["kept"])


@pytest.mark.parametrize("point", ["picked", "issued", "written", "acked", "read_back", "verified"])
def test_fault_f37_a_commit_whose_answer_is_lost_is_settled_by_reading(
    either: Store, point: str, tmp_path: Path
) -> None:
    site = VirtualSite(either)
    site.start()

    def lose(name: str) -> None:
        if name == point:
            site.on_hook = lambda _: None
            site.store.fault = "unanswered"

    site.on_hook = lose
    site.plan("battery", 1.2, window_s=60.0)
    site.run(30.0)
    assert site.store.fault == ""
    assert ended(site, tmp_path) == []


@pytest.mark.parametrize("fault", ["gone", "readonly"])
def test_fault_f36_f37_without_its_store_an_agent_sends_nothing_and_goes_home(site: VirtualSite, fault: str) -> None:
    site.plan("battery", 1.2, window_s=600.0)
    site.run(4.0)
    assert site.devices["battery"].value == 1.2
    began_s = site.time.true_s
    site.record("nemesis", note=fault)
    site.store.fault = fault
    site.run(STOPS_WITHIN_S, step_s=0.5)
    assert site.devices["battery"].value == 0.0
    site.run(60.0, step_s=4.0)
    site.store.fault = ""
    site.record("mended", note=fault)
    sent = [event for event in site.history.of("sent") if event.at_s >= began_s + STOPS_WITHIN_S]
    assert [event.key for event in sent if not event.is_revert] == []
