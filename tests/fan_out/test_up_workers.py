"""`meterloom up --workers N`: a cluster that the other parts find, and that no process of it outlives."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_quality.contracts.settings import WorkSettings, load_project, load_settings
from orchestration.workers.dask_process import environment_of, own_cluster
from tests.fan_out.test_pool import children_of

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_started_finds_the_cluster_by_its_environment(tmp_path: Path) -> None:
    work = own_cluster(load_project(tmp_path, {}))
    assert work.address.startswith("tls://127.0.0.1:")
    # Whoever reads the key could have code run as us.
    assert Path(work.key_file).stat().st_mode & 0o077 == 0
    assert load_settings(tmp_path / "none.yaml", environment_of(work)).work == work


def test_an_address_of_the_settings_is_where_it_serves(tmp_path: Path) -> None:
    given = {"METERLOOM_WORK__ADDRESS": "tcp://127.0.0.1:9123"}
    assert own_cluster(load_project(tmp_path, given)) == WorkSettings(backend="dask", address="tcp://127.0.0.1:9123")


@pytest.mark.slow
def test_no_process_of_a_cluster_outlives_who_started_it(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="extra scale is not installed")
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.fan_out.conftest import start_one\n"
        "made = start_one(Path(sys.argv[1]), 1)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    family = children_of(parent.pid)
    family |= {pid for child in family for pid in children_of(child)}
    assert len(family) >= 3
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline_s = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in family) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert not [pid for pid in family if Path(f"/proc/{pid}").exists()]
