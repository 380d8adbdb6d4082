"""Workers of a Dask cluster over TLS: the same answers, whoever dies; and one sentence where nobody can be asked."""

import os
import signal
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil
import pytest

from data_quality.contracts.errors import BadInput, OurFault, Unreachable
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import WorkSettings
from orchestration.workers import on_dask
from orchestration.workers.fan_out import fan_out
from tests.fan_out import jobs as given
from tests.fan_out.conftest import Cluster, start_one
from tests.fan_out.jobs import Job, jobs

MOMENTS = 20
SQUARES = [number**2 for number in range(12)]
# A cluster is waited for so long in place of the default: what goes beyond a wait does not depend on its length.
SHORT_WAIT_S, USUAL_WAIT_S = 10.0, WorkSettings().wait_s
# From the loss of a cluster to the finding, with the default wait.
FINDING_WITHIN_S = 60.0


def test_results_findings_and_faults_are_those_of_one_process(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    given.expect_order(cluster.work, tmp_path / "begun")
    gone = [each.answer for each in fan_out(given.length, jobs(2, file=str(tmp_path / "no")), settings=cluster.work)]
    assert [each.code for each in gone if isinstance(each, Finding)] == ["task_failed", "task_failed"]
    with pytest.raises(OurFault, match=r"jobs:breaks(.|\n)*code 7"):
        list(fan_out(given.breaks, jobs(4), settings=cluster.work))


def test_tasks_run_in_processes_of_the_cluster(cluster: Cluster) -> None:
    found = {each.answer for each in fan_out(given.pid, jobs(6, for_s=0.2), settings=cluster.work)}
    assert found <= set(cluster.worker_pids())
    assert len(found) == 2


def test_the_cluster_shows_no_task_and_no_log_to_whoever_finds_a_port_of_it(cluster: Cluster) -> None:
    pids = [cluster.children[0].process.pid, *cluster.worker_pids()]
    listening = [each for pid in pids for each in psutil.Process(pid).net_connections(kind="tcp")]
    answers = []
    for each in listening:
        if each.status == psutil.CONN_LISTEN:
            with (
                closing(HTTPConnection("127.0.0.1", each.laddr.port, timeout=10)) as line,
                suppress(OSError, HTTPException),
            ):
                line.request("GET", "/info/main/workers.html")
                answers.append(line.getresponse().status)
    # The ports of TLS do not answer at all.
    assert answers
    assert set(answers) == {404}


def test_two_callers_with_one_list_of_tasks_do_not_disturb_each_other(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "begun"
    answers: dict[int, list[int]] = {}

    def call(number: int) -> None:
        tasks = jobs(6, for_s=0.1, file=str(log))
        answers[number] = [each.answer for each in fan_out(given.square, tasks, settings=cluster.work)]  # type: ignore[misc]

    threads = [threading.Thread(target=call, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {0: SQUARES[:6], 1: SQUARES[:6]}
    # Each did its own: a result of another caller is not taken for ours.
    assert sorted(log.read_text().split()) == sorted([str(n) for n in range(6)] * 2)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_worker_killed_at_any_moment_changes_nothing(cluster: Cluster, moment: int) -> None:
    def kill() -> None:
        time.sleep(1.4 * moment / MOMENTS)
        pids = cluster.worker_pids()
        os.kill(pids[moment % len(pids)], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    found = [each.answer for each in fan_out(given.square, jobs(12, for_s=0.1), settings=cluster.work)]
    thread.join()
    assert found == SQUARES
    deadline_s = time.monotonic() + 30
    while len(cluster.worker_pids()) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert len(cluster.worker_pids()) == 2


@pytest.mark.slow
def test_a_task_that_kills_its_worker_again_and_again_is_a_finding(cluster: Cluster) -> None:
    found = [each.answer for each in fan_out(given.kills_itself, jobs(6), settings=cluster.work)]
    assert [each for each in found if not isinstance(each, Finding)] == [0, 1, 2, 4, 5]
    assert isinstance(found[3], Finding)
    assert found[3].code == "worker_killed"


@pytest.mark.slow
@pytest.mark.parametrize(("count", "ends"), [(2, slice(1, None)), (1, slice(1))], ids=["workers", "scheduler"])
def test_without_any_worker_left_what_is_not_done_is_a_finding_within_a_minute(
    tmp_path: Path, count: int, ends: slice
) -> None:
    pytest.importorskip("distributed", reason="extra scale is not installed")
    made = start_one(tmp_path, count)
    try:
        # The workers have answered, in their usual time, before the short wait begins.
        assert [each.answer for each in fan_out(given.square, jobs(2), settings=made.work)] == SQUARES[:2]
        work = made.work.model_copy(update={"wait_s": SHORT_WAIT_S})
        results = fan_out(given.others_never, jobs(8), settings=work)
        found: list[object] = [next(results).answer]
        for child in list(made.children)[ends]:
            made.children.stop(child)
        started_s = time.monotonic()
        found += [each.answer for each in results]
        assert time.monotonic() - started_s - SHORT_WAIT_S + USUAL_WAIT_S < FINDING_WITHIN_S
    finally:
        made.stop()
    # Nothing but a finding ends the others, whatever the machine took to end their workers.
    assert [each.code if isinstance(each, Finding) else each for each in found] == [0, *["no_workers"] * 7]


def test_where_nobody_listens_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="extra scale is not installed")
    monkeypatch.setattr(on_dask, "CONNECT_S", 1.0)
    work = WorkSettings(backend="dask", address="tcp://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"^no Dask scheduler answers at tcp://127.0.0.1:9 .*serial or pool$"):
        list(fan_out(given.square, jobs(2), settings=work))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "no_work_address"),
        ("tcp://scheduler.plant.example:8786", "no_certificate"),
        ("tcp://10.0.0.7:8786", "no_certificate"),
        ("tls://scheduler.plant.example:8786", "no_certificate"),
    ],
)
def test_an_address_at_which_others_could_listen_is_refused(address: str, reason: str) -> None:
    pytest.importorskip("distributed", reason="extra scale is not installed")
    with pytest.raises(BadInput) as caught:
        list(fan_out(given.square, jobs(2), settings=WorkSettings(backend="dask", address=address)))
    assert caught.value.reason == reason


def test_workers_of_other_code_are_refused_in_one_sentence(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_dask, "code_fingerprint", lambda: "f" * 64)
    with pytest.raises(
        Unreachable, match=r"^the worker tls://127.0.0.1:\d+ runs other code \(.* instead of ffffffffffff\)"
    ):
        list(fan_out(given.square, jobs(2), settings=cluster.work))


def test_a_stranger_without_the_certificate_is_not_served(cluster: Cluster) -> None:
    address = cluster.work.address.replace("tls://", "tcp://")
    with pytest.raises(Unreachable, match="no Dask scheduler answers"):
        list(fan_out(given.square, [Job(number=1)] * 2, settings=WorkSettings(backend="dask", address=address)))
