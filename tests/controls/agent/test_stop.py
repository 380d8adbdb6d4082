"""The emergency stop, and what the agent says of itself on the loopback."""

import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.transactions import open_store
from controls.agent.emergency_stop import EmergencyStop
from controls.agent.status_port import health, metrics, serve_status
from controls.gateways.access.loopback_port import token_in
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import load_project
from tests.controls.agent.plant import World
from tests.controls.ledger.rows_of import NOW, add_plan, command, state_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def stop(world: World, tmp_path: Path) -> EmergencyStop:
    made = EmergencyStop(tmp_path / "STOP")
    world.agent.context.emergency = made.reason
    return made


def test_a_stop_puts_every_device_back_within_a_cycle_and_tells_the_ledger(world: World, stop: EmergencyStop) -> None:
    world.prove()
    stop.pull("a hand", world.time.now_utc())
    world.agent.cycle()
    assert world.plant.battery.value == 0.0
    assert world.agent.trouble.startswith("emergency stop: stopped by a hand at 2026-01-01T00:00:03Z")
    world.run(10)
    row = world.store.rows(sa.text("SELECT reason FROM command_events ORDER BY position DESC LIMIT 1"))[0]  # type: ignore[arg-type]
    assert state_of(world.store) is S.REVERTED
    assert row["reason"].startswith("emergency stop (stopped by a hand")


def test_a_stop_reaches_what_a_person_has_in_hand_but_no_device_that_we_never_wrote(
    world: World, stop: EmergencyStop
) -> None:
    world.prove()
    world.plant.battery.forced = 1.4
    while state_of(world.store) is not S.OVERRIDDEN:
        world.run(1)
        assert world.time.now_utc() < NOW + timedelta(minutes=1)
    writes, others = len(world.plant.battery.writes), len(world.plant.pv.writes)
    world.run(10)
    assert len(world.plant.battery.writes) == writes, "hands off while it is held"
    stop.pull("a hand", world.time.now_utc())
    world.run(5)
    assert [value for _, value, _, _ in world.plant.battery.writes[writes:]] == [0.0]
    assert len(world.plant.pv.writes) == others


def test_while_it_is_pulled_nothing_is_sent_over_restarts_and_afterwards_all_goes_on(
    world: World, stop: EmergencyStop
) -> None:
    world.prove()
    stop.pull("a hand", world.time.now_utc())
    world.run(5)
    world.new_agent().context.emergency = stop.reason
    world.time.pass_(20)
    writes = len(world.plant.battery.commands())
    add_plan(world.store, command("c2", plan_id="p2"), plan_id="p2", version=2)
    world.release("p2")
    world.run(20)
    row = world.row("c2")
    assert (row.state, row.facts["guard"]) == (S.BLOCKED, "STOP")
    assert len(world.plant.battery.commands()) == writes
    stop.file.unlink()
    add_plan(world.store, command("c3", plan_id="p3"), plan_id="p3", version=3)
    world.release("p3")
    world.run(5)
    assert state_of(world.store, "c3") is S.VERIFIED


@pytest.mark.parametrize("gone_s", [0.0, 30.0])
def test_it_needs_no_store_and_no_lease(
    world: World, stop: EmergencyStop, monkeypatch: pytest.MonkeyPatch, gone_s: float
) -> None:
    world.prove()

    def gone(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("select", {}, Exception("disk I/O error"))

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "rows", gone)
        patch.setattr(world.store, "begin", gone)
        # Past the lease: the agent has put the devices back already, and somebody set ours again.
        world.run(gone_s)
        stop.pull("a hand", world.time.now_utc())
        world.agent.cycle()
        assert world.plant.battery.value == 0.0
        assert "emergency stop" in world.agent.trouble


def test_between_guards_and_wire_the_stop_still_wins(world: World, stop: EmergencyStop) -> None:
    def pull(point: str) -> None:
        if point == "issued":
            stop.pull("a hand", world.time.now_utc())

    world.agent.context.hook = pull
    world.set_mode(Mode.PARTIAL)
    add_plan(world.store, command())
    world.release()
    world.run(5)
    assert state_of(world.store) is S.BLOCKED
    assert world.plant.battery.commands() == []


def test_the_file_is_the_stop_whoever_made_it_and_whatever_it_says(tmp_path: Path) -> None:
    stop = EmergencyStop(tmp_path / "STOP")
    assert stop.reason() == ""
    stop.file.touch()
    assert stop.reason() == "the file STOP is there"
    stop.file.write_bytes(b"\xff  smoke\nin the cellar ")
    assert stop.reason().endswith("smoke in the cellar")
    stop.file.unlink()
    stop.file.mkdir()
    assert stop.reason() == "its file cannot be read (IsADirectoryError)"


def test_a_stop_that_cannot_be_written_down_holds_until_the_process_ends(world: World, tmp_path: Path) -> None:
    stop = EmergencyStop(tmp_path / "nowhere" / "STOP")
    stop.pull("a hand", world.time.now_utc())
    assert stop.reason().endswith("it could not be written down")


@pytest.fixture
def port(world: World, stop: EmergencyStop) -> Iterator[str]:
    server = serve_status(world.agent, lambda by: stop.pull(by, world.time.now_utc()), token="secret")
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def ask(address: str, *, token: str | None = None, is_post: bool = False) -> tuple[int, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address, headers=headers, method="POST" if is_post else "GET")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_health_tells_whether_the_agent_does_its_work(world: World, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(f"{port}/healthz") == ask(f"{port}/ready") == (503, "no cycle has ended yet\n")
    assert ask(f"{port}/live") == (200, "alive\n")
    world.agent.cycle()
    assert ask(f"{port}/healthz") == (200, "at work\n")
    world.time.pass_(11)
    assert ask(f"{port}/healthz") == (503, "the last cycle ended 11 s ago\n")
    standby = world.new_agent()
    world.time.pass_(20)
    standby.cycle()
    assert health(standby) == (True, "at work")
    rival = world.new_agent()
    rival.cycle()
    assert health(rival) == (True, "standby: another agent holds the lease of this site")

    def gone(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(world.store, "rows", gone)
    standby.cycle()
    is_well, reason = health(standby)
    assert (is_well, "store does not answer" in reason) == (False, True)
    assert ask(f"{port}/other")[0] == 404


def test_metrics_count_what_was_done_and_are_text_of_prometheus(world: World, port: str) -> None:
    world.prove()
    status, text = ask(f"{port}/metrics")
    assert status == 200
    line = re.compile(r'[a-z_]+(\{[a-z]+="[^"]+"\})? -?[0-9.e+]+|[a-z_]+ nan')
    assert all(line.fullmatch(each) for each in text.splitlines() if not each.startswith("#"))
    found = dict(each.rsplit(" ", 1) for each in text.splitlines() if not each.startswith("#"))
    assert found['meterloom_agent_commands_total{state="VERIFIED"}'] == "1"
    assert found['meterloom_agent_evidence_total{grade="3"}'] == "1"
    assert (found["meterloom_agent_frames_written_total"], found["meterloom_agent_devices"]) == ("1", "2")
    assert found["meterloom_agent_up"] == "1"
    world.plant.battery.is_silent = True
    world.run(10)
    assert "meterloom_agent_devices_silent 1" in metrics(world.agent)


def test_a_stop_over_the_port_needs_the_token(world: World, stop: EmergencyStop, port: str) -> None:
    world.prove()
    assert ask(f"{port}/stop", is_post=True)[0] == 403
    assert ask(f"{port}/stop", is_post=True, token="guess")[0] == 403
    assert ask(f"{port}/other", is_post=True, token="secret")[0] == 404
    assert stop.reason() == ""
    assert ask(f"{port}/stop", is_post=True, token="secret")[0] == 202
    world.agent.cycle()
    assert world.plant.battery.value == 0.0
    assert ask(f"{port}/healthz") == (200, f"emergency stop: {stop.reason()}\n")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4"])  # noqa: S104 - refused
def test_the_port_is_for_this_machine_alone(world: World, host: str) -> None:
    with pytest.raises(BadInput, match="for this machine alone"):
        serve_status(world.agent, lambda _: None, token="secret", host=host)


def test_the_token_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "var" / "agent-home.token"
    token = token_in(file)
    assert len(token) > 20
    assert token_in(file) == token
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.real
def test_a_process_obeys_sigusr1_and_stays_stopped(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    shutil.copy(ROOT / "assets" / "sites" / "demo" / "home.yaml", tmp_path / "sites" / "home.yaml")
    open_store(load_project(tmp_path, {}).store_url).close()
    log = tmp_path / "log"
    with log.open("wb") as reported:
        process = subprocess.Popen(
            [sys.executable, "-m", "controls.agent.main", "--project", str(tmp_path), "--site", "home"],
            cwd=ROOT,
            stderr=reported,
        )

    def wait_for(words: str) -> str:
        until_s = time.monotonic() + 30
        while words not in log.read_text():
            assert time.monotonic() < until_s, log.read_text()
            time.sleep(0.05)
        return log.read_text()

    try:
        address = re.search(r"http://127.0.0.1:\d+/", wait_for("/metrics"))
        assert address is not None
        process.send_signal(signal.SIGUSR1)
        wait_for("emergency stop: stopped by SIGUSR1")
        assert (tmp_path / "STOP").read_text().startswith("stopped by SIGUSR1 at 20")
        assert "emergency stop" in ask(f"{address[0]}healthz")[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
