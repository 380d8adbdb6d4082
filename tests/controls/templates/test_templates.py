"""Every template in the folder runs against a real server; a bad one is refused with its place."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controls.gateways.broker import Broker
from controls.gateways.commissioning.conformance import check_reads, check_writes
from controls.gateways.served_unit import RATING
from controls.templates.load_templates import FOLDER, Template, load_template, template_names
from controls.templates.register_places import FrameWord
from controls.templates.template_rows import template_rows
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from data_quality.contracts.units import UNITS, unit_at_end
from tests.controls.devices import Pair, Served, command, measured, serving_modbus, serving_mqtt, serving_topics

SERVED = [name for name in template_names() if load_template(name).protocol in ("modbus_tcp", "mqtt5", "mqtt_topics")]


@contextmanager
def serving(name: str, clock: FixedClock, request: pytest.FixtureRequest) -> Iterator[Served | Pair]:
    template = load_template(name)
    if template.protocol == "modbus_tcp":
        with serving_modbus(template, clock) as served:
            yield served
        return
    broker: Broker = request.getfixturevalue("broker")
    serve = serving_topics if template.protocol == "mqtt_topics" else serving_mqtt
    with serve(template, clock, broker.address) as either:
        yield either


@pytest.mark.real
@pytest.mark.parametrize("name", SERVED)
def test_every_template_measures(name: str, clock: FixedClock, request: pytest.FixtureRequest) -> None:
    with serving(name, clock, request) as served:
        template = load_template(name)
        found = {what: served.device.read(what) for what in template.readable}
        # A float of 32 bits holds seven digits.
        assert found == pytest.approx(measured(template), rel=1e-6)


@pytest.mark.real
@pytest.mark.parametrize("name", SERVED)
def test_every_device_keeps_its_template(name: str, clock: FixedClock, request: pytest.FixtureRequest) -> None:
    template, seqs = load_template(name), itertools.count(1)

    def make(capability: str, value: float, ttl_s: float) -> Command:
        unit = template.capability(capability).unit
        return command(
            clock, device_id="device", capability=capability, value=value, unit=unit, ttl_s=ttl_s, seq=next(seqs)
        )

    with serving(name, clock, request) as served:

        def wait(seconds: float) -> None:
            served.hand.now_s += seconds

        checks = [*check_reads(served.device, template)]
        checks += check_writes(served.device, template, make, spans=spans_of(template), wait=wait)
    wrong = [each for each in checks if each.status != "ok" and not each.detail.startswith("the device has no timer")]
    assert wrong == []
    # Every set-point: read back, three values at least (two for a switch), out of range, its end, and put back.
    assert len(checks) >= len(template.readable) + 6 * len(template.settable)


def spans_of(template: Template) -> dict[str, tuple[float, float]]:
    """Range of each set-point on a device whose own rating is the simulator's."""
    return {
        name: (max(low, -RATING), min(high, RATING)) if template.capability(name).share_of else (low, high)
        for name, (low, high) in ((name, template.limits(name)) for name in template.settable)
    }


def test_limits_and_unknown_names_are_told() -> None:
    template = load_template("sim_battery_10kwh")
    assert template.limits("set_charge_power_kw") == (-5.0, 5.0)
    with pytest.raises(BadInput, match=r"no capability 'fly'; it has set_charge_power_kw"):
        template.capability("fly")
    with pytest.raises(BadInput, match="takes no value"):
        template.limits("read_soc_percent")
    with pytest.raises(BadInput, match=r"unknown device template 'nope'; there are .*sim_appliance, sim_battery_10kwh"):
        load_template("nope")


def test_the_name_of_a_reading_ends_with_its_unit() -> None:
    units = {
        (name, what): place.unit
        for name in template_names()
        for what, place in load_template(name).capabilities.items()
    }
    assert all(not unit_at_end(what) or unit_at_end(what) == unit for (_, what), unit in units.items())
    assert [unit_at_end(each) for each in ("read_flow_m3_per_h", "read_h", "kwh", "read_kwh_l1")] == [
        "m3_per_h",
        "h",
        "",
        "",
    ]
    # A state and what is no unit of a site file is said by the point.
    assert {unit for (_, what), unit in units.items() if unit in UNITS and not unit_at_end(what)} <= {"count"}


# Points of SunSpec's own models in their order, with their registers, as the published JSON has them.
MODELS = {
    103: """ID L A AphA AphB AphC A_SF PPVphAB PPVphBC PPVphCA PhVphA PhVphB PhVphC V_SF W W_SF Hz Hz_SF VA VA_SF VAr
        VAr_SF PF PF_SF WH:2 WH_SF DCA DCA_SF DCV DCV_SF DCW DCW_SF TmpCab TmpSnk TmpTrns TmpOt Tmp_SF St StVnd Evt1:2
        Evt2:2 EvtVnd1:2 EvtVnd2:2 EvtVnd3:2 EvtVnd4:2""",
    121: """ID L WMax VRef VRefOfs VMax VMin VAMax VArMaxQ1 VArMaxQ2 VArMaxQ3 VArMaxQ4 WGra PFMinQ1 PFMinQ2 PFMinQ3
        PFMinQ4 VArAct ClcTotVA MaxRmpRte ECPNomHz ConnPh WMax_SF VRef_SF VRefOfs_SF VMinMax_SF VAMax_SF VArMax_SF
        WGra_SF PFMin_SF MaxRmpRte_SF ECPNomHz_SF""",
    123: """ID L Conn_WinTms Conn_RvrtTms Conn WMaxLimPct WMaxLimPct_WinTms WMaxLimPct_RvrtTms WMaxLimPct_RmpTms
        WMaxLim_Ena OutPFSet OutPFSet_WinTms OutPFSet_RvrtTms OutPFSet_RmpTms OutPFSet_Ena VArWMaxPct VArMaxPct
        VArAvalPct VArPct_WinTms VArPct_RvrtTms VArPct_RmpTms VArPct_Mod VArPct_Ena WMaxLimPct_SF OutPFSet_SF
        VArPct_SF""",
    124: """ID L WChaMax WChaGra WDisChaGra StorCtl_Mod VAChaMax MinRsvPct ChaState StorAval InBatV ChaSt OutWRte InWRte
        InOutWRte_WinTms InOutWRte_RvrtTms InOutWRte_RmpTms ChaGriSet WChaMax_SF WChaDisChaGra_SF VAChaMax_SF
        MinRsvPct_SF ChaState_SF StorAval_SF InBatV_SF InOutWRte_SF""",
    704: """ID L PFWInjEna PFWInjEnaRvrt PFWInjRvrtTms:2 PFWInjRvrtRem:2 PFWAbsEna PFWAbsEnaRvrt PFWAbsRvrtTms:2
        PFWAbsRvrtRem:2 WMaxLimPctEna WMaxLimPct WMaxLimPctRvrt WMaxLimPctEnaRvrt WMaxLimPctRvrtTms:2
        WMaxLimPctRvrtRem:2 WSetEna WSetMod WSet:2 WSetRvrt:2 WSetPct WSetPctRvrt WSetEnaRvrt WSetRvrtTms:2
        WSetRvrtRem:2 VarSetEna VarSetMod VarSetPri VarSet:2 VarSetRvrt:2 VarSetPct VarSetPctRvrt VarSetEnaRvrt
        VarSetRvrtTms:2 VarSetRvrtRem:2 WRmp WRmpRef VarRmp AntiIslEna PF_SF WMaxLimPct_SF WSet_SF WSetPct_SF
        VarSet_SF VarSetPct_SF PFWInj:2 PFWInjRvrt:2 PFWAbs:2 PFWAbsRvrt:2""",
    713: "ID L WHRtg WHAvail SoC SoH Sta WH_SF Pct_SF",
}  # fmt: skip
# template, capability -> the point of its value, and that of its scale factor.
POINTS = {
    ("sunspec_pv_123", "read_power_kw"): (103, "W", "W_SF"),
    ("sunspec_pv_123", "read_current_l1_a"): (103, "AphA", "A_SF"),
    ("sunspec_pv_123", "read_current_l3_a"): (103, "AphC", "A_SF"),
    ("sunspec_pv_123", "read_voltage_l1_v"): (103, "PhVphA", "V_SF"),
    ("sunspec_pv_123", "read_frequency_hz"): (103, "Hz", "Hz_SF"),
    ("sunspec_pv_123", "read_energy_kwh"): (103, "WH", "WH_SF"),
    ("sunspec_pv_123", "read_inverter_state"): (103, "St", None),
    ("sunspec_pv_123", "set_power_limit_kw"): (123, "WMaxLimPct", "WMaxLimPct_SF"),
    ("sunspec_storage_124", "set_charge_power_kw"): (124, "InWRte", "InOutWRte_SF"),
    ("sunspec_storage_124", "read_soc_percent"): (124, "ChaState", "ChaState_SF"),
    ("sunspec_storage_124", "read_battery_state"): (124, "ChaSt", None),
    ("sunspec_pv_704", "set_power_limit_kw"): (704, "WMaxLimPct", "WMaxLimPct_SF"),
    ("sunspec_storage_704", "set_charge_power_kw"): (704, "WSet", "WSet_SF"),
    ("sunspec_storage_704", "read_soc_percent"): (713, "SoC", "Pct_SF"),
}


def offsets(model: int) -> dict[str, int]:
    """Register of each point of a model, counted from its id."""
    found, at = {}, 0
    for each in MODELS[model].split():
        name, _, width = each.partition(":")
        found[name] = at
        at += int(width or 1)
    return found | {"end": at}


def test_sunspec_offsets_are_those_of_the_published_models() -> None:
    for (name, capability), (model, value, scale_factor) in POINTS.items():
        place, points = load_template(name).capability(capability), offsets(model)
        assert (place.model, place.register_address) == (model, points[value]), (name, capability)
        assert place.scale_factor == (points[scale_factor] if scale_factor else None), (name, capability)
    for name in template_names():
        for model, length in load_template(name).models.items():
            # L counts neither itself nor the id.
            assert model not in MODELS or offsets(model)["end"] - 2 == length


def test_sunspec_controls_are_written_in_the_safe_order() -> None:
    def written(name: str, capability: str) -> list[tuple[str, tuple[FrameWord | int, ...]]]:
        place = load_template(name).capability(capability)
        assert place.model is not None
        names = {register: point for point, register in offsets(place.model).items()}
        return [(names[step.register_address], step.frame) for step in place.write_steps]

    assert written("sunspec_pv_123", "set_power_limit_kw") == [("WMaxLimPct", ("value", 0, "ttl_s", 0, "enabled"))]
    assert written("sunspec_storage_124", "set_charge_power_kw") == [
        ("OutWRte", ("minus_value", "value", 0, "ttl_s", 0)), ("StorCtl_Mod", ("enabled",)),
    ]  # fmt: skip
    assert written("sunspec_pv_704", "set_power_limit_kw") == [
        ("WMaxLimPctRvrt", ("safe_value", 0)), ("WMaxLimPctRvrtTms", ("ttl_long_s",)), ("WMaxLimPct", ("value",)),
        ("WMaxLimPctEna", ("enabled",)),
    ]  # fmt: skip
    assert written("sunspec_storage_704", "set_charge_power_kw") == [
        ("WSetRvrt", ("safe_value",)), ("WSetEnaRvrt", (0, "ttl_long_s")), ("WSetMod", (1, "value")),
        ("WSetEna", ("enabled",)),
    ]  # fmt: skip


def test_every_template_of_a_real_device_names_its_public_source() -> None:
    for name in template_names():
        template = load_template(name)
        assert template.is_synthetic or template.source, name


def test_the_shipped_schema_is_that_of_the_model() -> None:
    schema = Path(__file__).parents[3] / "docs" / "ems" / "device_template.schema.json"
    assert json.loads(schema.read_text()) == Template.model_json_schema()


def test_rows_of_the_table_name_every_template_once() -> None:
    rows = {row.template: row for row in template_rows()}
    assert tuple(rows) == template_names()
    assert rows["sim_relay_bank_16"].sets == ("16 x relay_NN_state",)
    assert rows["sunspec_pv_704"].sets == ("power_limit_kw",)


ORDER = {
    "timer after the value": (
        "{register: 18, frame: [ttl_long_s]},\n             {register: 15, frame: [value]}, ",
        "{register: 15, frame: [value]}, {register: 18, frame: [ttl_long_s]}, ",
        "steps must go: revert value, revert time, value, enable",
    ),
    "no timer": ("{register: 18, frame: [ttl_long_s]},", "", "has_device_ttl is True, and its frame has not a ttl_s"),
    "unknown model": ("models: {701: 153, 702: 50,", "models: {701: 153,", "model 702 is not among"),
    "unknown word": ("[safe_value, 0]", "[save_value, 0]", "save_value"),
    "typo in a key": ("scale_factor: 54", "scale_facter: 54", "did you mean 'scale_factor'"),
    "unknown table": ("type: int16, scale: 0.001", "table: holdings, type: int16, scale: 0.001", "holdings"),
}  # fmt: skip


@pytest.mark.parametrize("change", ORDER.values(), ids=list(ORDER))
def test_a_bad_register_map_is_refused_with_its_line(change: tuple[str, str, str], tmp_path: Path) -> None:
    was, becomes, sentence = change
    text = (FOLDER / "sunspec_pv_704.yaml").read_text()
    assert was in text
    (tmp_path / "sunspec_pv_704.yaml").write_text(text.replace(was, becomes, 1))
    with pytest.raises(BadInput, match=r"sunspec_pv_704\.yaml") as fault:
        load_template("sunspec_pv_704", tmp_path)
    assert sentence in str(fault.value)
    assert fault.value.line is not None


BAD = {
    "without limits": ("min: -5.0, max: 5.0,", "", "min, max and expires_s are needed"),
    "limits crossed": ("min: -5.0", "min: 6.0", "must be below max"),
    "unsafe default": ("set_charge_power_kw: 0.0", "set_charge_power_kw: 9.0", "outside -5.0..5.0"),
    "no safe default": ("safe_default:\n  set_charge_power_kw: 0.0", "", "read_back and safe_default are needed"),
    "foreign verb": ("read_power_kw", "show_power_kw", "must start with set_ or read_"),
    "field on modbus": ("register: 30113", "field: power", "wants register"),
    "two places": ("register: 30113", "register: 30113, field: power", "exactly one of 'register' and 'field'"),
    "frame without value": ("frame: [value, ttl_s, epoch, seq], min", "frame: [ttl_s], min", "exactly once"),
    "codes in a frame": ("frame: [value, ttl_s, epoch, seq], min", "codes: {0: [1]}, frame: [value, ttl_s], min",
                         "no frame, steps or release beside them"),
    "read back of nothing": ("read_back:", "read_back:\n  read_power_kw: {register: 1, within_s: 1, tolerance: 0}",
                             "not a settable capability"),
    "unknown key": ("unit_id:", "unitid:", "did you mean 'unit_id'"),
    "wrong name": ("template: sim_battery_10kwh", "template: other", "the file says template 'other'"),
}  # fmt: skip


@pytest.mark.parametrize("change", BAD.values(), ids=list(BAD))
def test_a_bad_template_is_refused(change: tuple[str, str, str], tmp_path: Path) -> None:
    was, becomes, sentence = change
    text = (FOLDER / "sim_battery_10kwh.yaml").read_text()
    assert was in text
    (tmp_path / "sim_battery_10kwh.yaml").write_text(text.replace(was, becomes))
    with pytest.raises(BadInput, match=r"sim_battery_10kwh\.yaml") as fault:
        load_template("sim_battery_10kwh", tmp_path)
    assert sentence in str(fault.value)
