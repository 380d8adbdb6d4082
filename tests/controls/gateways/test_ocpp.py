"""Charge points over OCPP 1.6 and 2.0.1, made from the templates: limits, proofs, faults, and what keeps them safe."""

import itertools
import time
from datetime import timedelta
from typing import Any

import pytest

from controls.gateways.capabilities import DeviceRefused, DeviceSilent, NotSent
from controls.gateways.charge_points.chargers import charger_address
from controls.gateways.commissioning.conformance import check_reads, check_writes
from controls.gateways.open import Gateways
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import OcppSettings, Settings
from data_quality.contracts.site_file.site import Asset
from tests.controls.devices import command
from tests.controls.gateways.ocpp_yard import POWER, Yard, until


def test_a_limit_is_set_read_back_and_ends_by_itself(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        ack = device.write(yard.command(6.9))
        assert ack.code == "Accepted"
        read = device.read_back(POWER)
        assert read.value == pytest.approx(6.9)
        assert read.revert_remaining_s == pytest.approx(29, abs=1)
        assert device.read("read_power_kw") == pytest.approx(6.9)
        assert charger.power_kw() == pytest.approx(6.9)
        yard.clock.advance(timedelta(seconds=30))
        assert charger.power_kw() == 0.0
        after = device.read_back(POWER)
        assert (after.value, after.revert_remaining_s) == (0.0, 0.0)


def test_offline_the_charger_falls_back_at_the_end_of_the_time_to_live(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(11.0))
        yard.gateways.close()
        assert charger.power_kw() == pytest.approx(11.0, abs=0.1)
        yard.clock.advance(timedelta(seconds=30))
        assert charger.power_kw() == 0.0


def test_a_refresh_goes_on_and_a_window_ends_it(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        first = yard.command(6.9, window_s=40)
        device.write(first)
        yard.clock.advance(timedelta(seconds=15))
        device.write(first.model_copy(update={"seq": 2}))
        yard.clock.advance(timedelta(seconds=20))
        assert charger.power_kw() == pytest.approx(6.9)
        # 40 s after its beginning, though the last time to live would run for 5 s more.
        yard.clock.advance(timedelta(seconds=5))
        assert charger.power_kw() == 0.0


def test_the_safe_default_takes_ours_away(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(6.9))
        assert device.write(yard.command(0.0, seq=2)).code == "Accepted"
        assert charger.power_kw() == 0.0
        # Nothing of ours was there any more: what was wanted.
        assert device.write(yard.command(0.0, seq=3)).code == "Unknown"


def test_a_reader_cannot_write_and_writes_nothing(yard: Yard) -> None:
    reader = yard.reader()
    assert not hasattr(reader, "write")
    with yard.charger() as charger:
        reader.read_back(POWER)
        reader.read("read_power_kw")
        time.sleep(0.5)
        assert charger.writes == []


def test_a_charger_without_any_limit_reads_its_rating_and_no_end(yard: Yard) -> None:
    reader = yard.reader()
    with yard.charger():
        read = reader.read_back(POWER)
        assert read.value == pytest.approx(22.08)
        assert read.revert_remaining_s == 0.0


def test_a_limit_below_six_amperes_or_above_the_phases_is_not_sent(yard: Yard) -> None:
    device = yard.device()
    yard.asset = yard.asset.model_copy(update={"params": {"phases": 1}})
    single = yard.device()
    with yard.charger(phases=1) as charger:
        with pytest.raises(NotSent, match="a car charges with 0 or with at least"):
            device.write(yard.command(3.0))
        single.write(yard.command(3.0))
        assert charger.power_kw() == pytest.approx(3.0, abs=0.03)
        with pytest.raises(NotSent, match=r"more than 7\.36, which 1 phases carry"):
            single.write(yard.command(11.0, seq=2))


def test_a_charger_that_is_not_there_is_silent_with_its_reason(yard: Yard) -> None:
    with pytest.raises(DeviceSilent, match="'ev' is not connected"):
        yard.device().read_back(POWER)


def test_wrong_credentials_are_refused_with_a_sentence(yard: Yard) -> None:
    charger = yard.charger(password="guess").start(is_awaited=False)
    try:
        until(lambda: "401" in charger.refusal)
        with pytest.raises(DeviceSilent, match="wrong name or password"):
            yard.device().read_back(POWER)
    finally:
        charger.stop()


def test_a_charger_without_a_key_file_is_not_opened(yard: Yard) -> None:
    (yard.keys / "ev.key").chmod(0o644)
    with pytest.raises(BadInput, match="can be read by others"):
        yard.device()
    (yard.keys / "ev.key").unlink()
    with pytest.raises(BadInput, match="has no password"):
        yard.device()
    (yard.keys / "ev.key").write_text(" \n")
    (yard.keys / "ev.key").chmod(0o600)
    with pytest.raises(BadInput, match="is empty"):
        yard.device()


@pytest.mark.parametrize(("fault", "kind", "sentence"), [
    ("refuse", DeviceRefused, "answered SetChargingProfile with Rejected"),
    ("error", DeviceRefused, "InternalError: .*relay stuck"),
    ("silent", DeviceSilent, "gave no answer to GetCompositeSchedule within 2 s"),
])  # fmt: skip
def test_a_refusal_an_error_and_silence_are_told_apart(
    yard: Yard, fault: Any, kind: type[Exception], sentence: str
) -> None:
    device = yard.device()
    with yard.charger() as charger:
        charger.fault = fault
        with pytest.raises(kind, match=sentence):
            device.write(yard.command(6.9))
        assert charger.profiles == {}
        charger.fault = "none"
        # It comes back by itself, and the next order is carried out.
        until(lambda: yard.system.expect("ev", yard.template.protocol, password="secret").is_connected)
        device.write(yard.command(6.9, seq=2))
        assert charger.power_kw() == pytest.approx(6.9)


def test_a_write_whose_answer_is_lost_is_found_by_reading(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(4.2))
        charger.fault = "apply_then_silent"
        with pytest.raises(DeviceSilent):
            device.write(yard.command(6.9, seq=2))
        charger.fault = "none"
        until(lambda: yard.system.expect("ev", yard.template.protocol, password="secret").is_connected)
        assert device.read_back(POWER).value == pytest.approx(6.9)
        assert sum(1 for action, _ in charger.writes if action == "SetChargingProfile") >= 3


def test_fault_f63_an_acknowledged_limit_that_is_not_kept_shows_in_the_schedule(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(4.2))
        charger.fault = "ignore"
        assert device.write(yard.command(6.9, seq=2)).code == "Accepted"
        assert device.read_back(POWER).value == pytest.approx(4.2, abs=0.07)


def test_a_limit_without_an_end_does_not_count_as_ours(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(6.9))
        charger.fault = "no_end"
        # 0 s left: the agent's own rule then says that no timer of ours runs.
        assert device.read_back(POWER).revert_remaining_s == 0.0


def test_fault_f65_a_charger_that_reboots_gets_its_fallback_again_and_shows_the_loss(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(6.9))
        charger.reboot()
        until(lambda: charger.boots == 2 and len(charger.profiles) == 1)
        assert charger.power_kw() == 0.0
        assert device.read_back(POWER).value == 0.0
        device.write(yard.command(6.9, seq=2))
        assert charger.power_kw() == pytest.approx(6.9)


def test_after_the_writer_is_closed_a_reboot_is_answered_by_nothing(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(6.9))
        device.close()
        writes_before = len(charger.writes)
        charger.reboot()
        until(lambda: charger.boots == 2)
        time.sleep(0.5)
        assert len(charger.writes) == writes_before


@pytest.mark.parametrize("ahead_s", [-20.0, 20.0])
def test_a_charger_with_a_wrong_clock_gets_no_limit_that_names_instants(yard: Yard, ahead_s: float) -> None:
    device = yard.device()
    with yard.charger() as charger:
        device.write(yard.command(4.2))
        charger.clock_ahead_s = ahead_s
        writes_before = len(charger.writes)
        with pytest.raises(NotSent, match="its clock differs by"):
            device.write(yard.command(6.9, seq=2))
        assert len(charger.writes) == writes_before


@pytest.mark.parametrize("ahead_s", [-4.0, 4.0])
def test_a_clock_a_little_off_never_prolongs_a_limit(yard: Yard, ahead_s: float) -> None:
    device = yard.device()
    with yard.charger() as charger:
        charger.clock_ahead_s = ahead_s
        device.write(yard.command(4.2))
        device.write(yard.command(6.9, seq=2))
        assert charger.power_kw() == pytest.approx(6.9)
        yard.clock.advance(timedelta(seconds=31))
        assert charger.power_kw() == 0.0


def test_a_second_connection_of_one_name_takes_the_place_of_the_first(yard: Yard) -> None:
    device = yard.device()
    with yard.charger() as first:
        first._is_over.set()
        with yard.charger():
            device.write(yard.command(6.9))
            until(lambda: first._thread is not None and not first._thread.is_alive())
            assert device.read_back(POWER).value == pytest.approx(6.9)


def test_a_port_that_is_taken_is_said_and_nothing_else_fails(yard: Yard) -> None:
    settings = Settings(ocpp=OcppSettings(port=yard.system.port, keys=str(yard.keys)))
    other = Gateways("home", settings, yard.clock)
    reader = other.open_reader(yard.asset, yard.template)
    with pytest.raises(DeviceSilent, match="cannot listen for charge points"):
        reader.read_back(POWER)
    other.close()


def test_an_address_names_charger_and_connector() -> None:
    asset = Asset(asset_id="ev", kind="ev_charger")
    assert charger_address(asset) == ("ev", 1)
    assert charger_address(asset.model_copy(update={"address": "CP_7/2"})) == ("CP_7", 2)
    for odd in ("../key", "CP/0", "CP/x", ".key", "a b"):
        with pytest.raises(BadInput, match="expected NAME/connector"):
            charger_address(asset.model_copy(update={"address": odd}))


def test_the_simulated_charger_keeps_its_template(yard: Yard) -> None:
    seqs = itertools.count(1)

    def make(capability: str, value: float, ttl_s: float) -> Command:
        return command(yard.clock, device_id="ev", capability=capability, value=value, ttl_s=ttl_s, seq=next(seqs))

    with yard.charger(car_kw=22.08) as charger:
        assert charger.template.is_synthetic
        checks = [*check_reads(yard.reader(), yard.template)]
        # From 6 A on: below it there is only 0, which is the safe default.
        spans = {POWER: (4.14, 22.08)}
        wait = lambda seconds: yard.clock.advance(timedelta(seconds=seconds))  # noqa: E731
        checks += check_writes(yard.device(), yard.template, make, spans=spans, wait=wait)
        assert yard.device().write(yard.command(0.0, seq=next(seqs))).code in ("Accepted", "Unknown")
    assert [each for each in checks if each.status != "ok"] == []
    assert len(checks) >= 9
