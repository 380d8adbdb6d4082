"""The whole agent against a charger written by hand: the ledger claims what the charger received."""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.agent.planned import planned_check
from controls.gateways.open import Gateways
from controls.ledger.chain import verify_chain
from controls.ledger.modes import set_mode
from controls.ledger.outbox import release
from controls.ledger.rows import LedgerRow, read_commands
from data_quality.contracts.control.command import CommandState, EvidenceGrade, Mode
from data_quality.contracts.settings import OcppSettings, Settings
from data_quality.contracts.site_file.site import Asset
from tests.controls.agent.plant import HOME, Time
from tests.controls.gateways.ocpp_yard import SECRET, until
from tests.controls.gateways.serve_ocpp import ServedCharger
from tests.controls.gateways.test_ocpp_stranger import ChargerByHand
from tests.controls.ledger.rows_of import CARLA, add_plan, command

CHARGER = Asset(asset_id="ev", kind="ev_charger", template="ocpp16_charger")
SITE = HOME.model_copy(update={"assets": (CHARGER,)})


class Stranger(ChargerByHand):
    """A charger of OCPP 1.6 that keeps what it is told, as the specification says."""

    def __init__(self, url: str, time: Time) -> None:
        self.time = time
        self.profiles: dict[int, dict[str, Any]] = {}
        super().__init__(url, "ocpp1.6")

    def answer_to(self, action: str, payload: dict[str, Any]) -> Any:
        if action == "SetChargingProfile":
            profile = payload["csChargingProfiles"]
            self.profiles[profile["stackLevel"]] = profile
        elif action == "ClearChargingProfile":
            kept = {level: each for level, each in self.profiles.items() if each["chargingProfileId"] != payload["id"]}
            is_known, self.profiles = len(kept) < len(self.profiles), kept
            return {"status": "Accepted" if is_known else "Unknown"}
        elif action == "GetCompositeSchedule":
            limits = [self.limit(second) for second in range(payload["duration"])]
            periods = [
                {"startPeriod": second, "limit": limit}
                for second, (limit, last) in enumerate(zip(limits, [None, *limits[:-1]], strict=True))
                if limit != last
            ]
            schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods, "duration": payload["duration"]}
            start = self.time.now_utc().strftime("%Y-%m-%dT%H:%M:%SZ")
            return {"status": "Accepted", "connectorId": 1, "scheduleStart": start, "chargingSchedule": schedule}
        elif action == "TriggerMessage":
            return {"status": "NotImplemented"}
        return {"status": "Accepted"}

    def limit(self, in_s: float = 0.0) -> float:
        """Amperes per phase that it allows in a while."""
        at = self.time.now_utc() + timedelta(seconds=in_s)
        for _, profile in sorted(self.profiles.items(), reverse=True):
            schedule = profile["chargingSchedule"]
            start = datetime.fromisoformat(schedule["startSchedule"])
            is_valid = "validTo" not in profile or at < datetime.fromisoformat(profile["validTo"])
            if is_valid and start <= at and (at - start).total_seconds() < schedule.get("duration", 1e9):
                return float(schedule["chargingSchedulePeriod"][0]["limit"])
        return 32.0


class Whole:
    """Store, agent over the real gateway, and a place for a charger."""

    def __init__(self, store: Store, folder: Path) -> None:
        (folder / "ev.key").write_text(SECRET)
        (folder / "ev.key").chmod(0o600)
        self.store, self.time = store, Time()
        self.gateways = Gateways("home", Settings(ocpp=OcppSettings(port=0, keys=str(folder))), self.time)
        numbers = itertools.count()
        context = AgentContext(
            store=store,
            site_id="home",
            holder=f"agent-{next(numbers)}",
            clock=self.time,
            monotonic=self.time.monotonic,
            transports=self.gateways,
        )
        self.agent = Agent(context, devices_of(SITE))
        self.gateways.open_reader(SITE.assets[0], self.agent.devices[0].template)
        system = self.gateways._chargers().system
        self.url = f"ws://127.0.0.1:{system.port}"
        self.link = system.expect("ev", "ocpp16", password=SECRET)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.5)):
            self.agent.cycle()
            self.time.pass_(0.5)

    def row(self) -> LedgerRow:
        return read_commands(self.store, "home", command_ids=["c1"])[0]

    def story(self) -> list[str]:
        """The events of the command, each in a sentence."""
        rows = self.store.rows(command_events.select().where(command_events.c.command_id == "c1"))
        return [f"{row['to_state']}: {row['reason']}" for row in rows]


@pytest.fixture
def whole(store: Store, tmp_path: Path) -> Iterator[Whole]:
    made = Whole(store, tmp_path)
    yield made
    made.gateways.close()
    assert verify_chain(store, "home") == []


@pytest.fixture
def stranger(whole: Whole) -> Iterator[Stranger]:
    made = Stranger(whole.url, whole.time)
    until(lambda: whole.link.is_connected)
    yield made
    made.close()


def released(whole: Whole, mode: Mode) -> None:
    set_mode(whole.store, "home", mode=mode, person=CARLA, reason="test", clock=whole.time)
    add_plan(whole.store, command(device_id="ev", value=6.21))
    release(whole.store, "home", "p1", clock=whole.time, check=planned_check(SITE))


def test_a_stranger_was_told_what_the_ledger_says_and_nothing_outlives_it(whole: Whole, stranger: Stranger) -> None:
    released(whole, Mode.PARTIAL)
    whole.run(3)
    row = whole.row()
    assert (row.state, row.evidence_grade) == (CommandState.VERIFIED, EvidenceGrade.READ_BACK)
    assert row.facts["readback_value"] == pytest.approx(6.21)
    assert row.facts["ack_code"] == "Accepted"
    # 6.21 kW on three phases of 230 V are 9 A.
    assert stranger.limit() == 9.0
    first = stranger.calls("SetChargingProfile")[1]["csChargingProfiles"]
    assert first["chargingSchedule"]["duration"] == 45
    assert first["validTo"] == row.command.valid_until_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    whole.run(60)
    assert whole.row().state is CommandState.VERIFIED
    assert len(stranger.calls("SetChargingProfile")) >= 5
    # The agent is gone, and nobody says so to the charger: 45 s later it is home.
    whole.time.pass_(45)
    assert stranger.limit() == 0.0


def test_below_partial_not_one_frame_writes(whole: Whole, stranger: Stranger) -> None:
    released(whole, Mode.ADVISORY)
    whole.run(10)
    assert stranger.calls("GetCompositeSchedule")
    assert stranger.calls("SetChargingProfile") + stranger.calls("ClearChargingProfile") == []


def begun(charger: ServedCharger) -> int:
    """The number of the transaction that the charger starts now."""
    start = {"connector_id": 1, "id_tag": "car", "meter_start": 0, "timestamp": charger.now_utc().isoformat()}
    assert charger._loop is not None
    future = asyncio.run_coroutine_threadsafe(charger._say("StartTransaction", start), charger._loop)
    return int(future.result(5).transaction_id)


def test_a_charger_that_reboots_in_the_middle_of_a_session_is_found_out_and_safe(whole: Whole) -> None:
    """A real client on the library, whose connection breaks off without a word; the car stays plugged in."""
    template = whole.agent.devices[0].template
    given: dict[str, Any] = {"charger_id": "ev", "password": SECRET, "clock": whole.time}
    with ServedCharger(template, url=whole.url, **given) as charger:
        released(whole, Mode.PARTIAL)
        whole.run(3)
        assert whole.row().state is CommandState.VERIFIED
        session = begun(charger)
        assert charger.power_kw() == pytest.approx(6.21)
        writes_before = len(charger.writes)
        charger.reboot()
        # Booted anew without a limit it would charge with all there is: the fallback comes with the connection.
        until(lambda: charger.boots == 2 and len(charger.profiles) == 1)
        assert charger.power_kw() == 0.0
        whole.run(15)
        assert whole.row().state is CommandState.REVERTED, whole.story()
        assert "DRIFTED: the device reads 0" in whole.story()
        assert whole.story()[-1] == "REVERTED: the device returned to its safe default by itself"
        # What it was told before it went is not told again by itself, and a further session has a number of its own.
        assert [action for action, _ in charger.writes[writes_before:]] == ["SetChargingProfile"]
        assert charger.power_kw() == 0.0
        whole.time.pass_(60)
        assert begun(charger) == session + 1
        # Nor is it left alone: the next command finds it at work.
        add_plan(
            whole.store,
            command("c2", device_id="ev", value=4.14, plan_id="p2"),
            plan_id="p2",
            version=2,
            at=whole.time.now_utc(),
        )
        release(whole.store, "home", "p2", clock=whole.time, check=planned_check(SITE))
        whole.run(3)
        assert charger.power_kw() == pytest.approx(4.14)


def test_stopping_the_agent_takes_the_limit_away(whole: Whole, stranger: Stranger) -> None:
    released(whole, Mode.PARTIAL)
    whole.run(3)
    whole.agent.stop()
    assert whole.row().state is CommandState.REVERTED
    assert stranger.limit() == 0.0
    assert stranger.calls("ClearChargingProfile")[-1] == {"id": 4111}
