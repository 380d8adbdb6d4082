"""The words of mqtt_topics: a mistake in a template has its place, and what is sent is what is read back out of it."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.topics import MAX_PAYLOAD_BYTES, loads_any
from controls.templates.load_templates import FOLDER, load_template, template_names
from controls.templates.mqtt_topics import (
    as_number,
    at_path,
    filled,
    message,
    placeholders,
    plain_text,
    put_at_path,
    unified,
    word_of,
)
from data_quality.contracts.errors import BadInput

TEMPLATES = {name: load_template(name) for name in template_names()}
FOREIGN = [name for name, template in TEMPLATES.items() if template.protocol == "mqtt_topics"]
BAD = {
    "unknown placeholder": ("tasmota_plug", "100}; Power1 {value}", "100}; Power1 {valeu}", "placeholder valeu"),
    "wildcard": ("tasmota_plug", 'topic: "cmnd/{name}/Backlog0"', 'topic: "cmnd/#"', "has a wildcard"),
    "no way to send": (
        "tasmota_plug", "  send:\n    set_switch_state:", "  send:\n    set_other:", "mqtt.send is needed"
    ),
    "no ttl sent": ("tasmota_plug", "PulseTime1 {ttl_s+100}; Power1", "Power1", "has_device_ttl wants {ttl_s}"),
    "asked and told": (
        "generic_mqtt_switch", "every_s: 10", 'every_s: 10, ask: {topic: "{name}/get"}', "exclude one another"
    ),
    "told on change by nobody": (
        "loxone_heating_zone", 'status", every_s: 10}', 'status"}', "mqtt.status is needed"
    ),
    "sign without signs": ("growatt_battery_mode", "sign: mode", 'sign: ""', "belong together"),
    "a typo": ("shelly_gen2_switch", "at_safe:", "at_save:", "did you mean 'at_safe'"),
    "topics on modbus": (
        "sim_grid_meter", "is_synthetic: true", "is_synthetic: true\nmqtt: {told: {}}", "'mqtt' belongs to protocol"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_in_a_template_of_topics_is_refused_with_its_file(case: str, tmp_path: Path) -> None:
    name, was, becomes, sentence = BAD[case]
    text = (FOLDER / f"{name}.yaml").read_text()
    assert was in text
    (tmp_path / f"{name}.yaml").write_text(text.replace(was, becomes))
    with pytest.raises(BadInput, match=rf"{name}\.yaml") as fault:
        load_template(name, tmp_path)
    assert sentence in str(fault.value)


@pytest.mark.parametrize("name", FOREIGN)
def test_every_template_of_topics_names_its_source(name: str) -> None:
    assert len(TEMPLATES[name].source) > 20


known_values = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True),
        "value": st.integers(-9999, 9999) | st.booleans() | st.sampled_from(["ON", "OFF"]),
        "size": st.integers(0, 9999),
        "ttl_s": st.integers(1, 60),
        "until_s": st.integers(1, 2_000_000_000),
        "number": st.integers(1, 10**9),
    }
)


@pytest.mark.parametrize("name", FOREIGN)
@given(known=known_values)
def test_what_is_sent_is_read_back_out_of_it(name: str, known: dict[str, Any]) -> None:
    mqtt = TEMPLATES[name].mqtt
    assert mqtt is not None
    for send in mqtt.send.values():
        for payload in send.payloads:
            parsed = loads_any(message(payload, known))
            assert parsed is not None
            found = unified(payload, parsed[0])
            assert found is not None
            assert set(found) == placeholders(payload)
            assert {key: plain_text(value) for key, value in found.items()} == {
                key: plain_text(known[key]) for key in found
            }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    document=json_values,
    path=st.lists(st.sampled_from(["a", "b", "0", "c"]), min_size=1, max_size=4),
    value=json_values,
)
def test_what_is_put_at_a_path_is_found_there(document: Any, path: list[str], value: Any) -> None:
    assert at_path(put_at_path(document, ".".join(path), value), ".".join(path)) == value


@given(
    payload=st.binary(max_size=300)
    | st.text(max_size=100).map(str.encode)
    | json_values.map(lambda v: json.dumps(v).encode())
)
def test_whatever_a_foreign_device_says_is_a_document_a_word_or_nothing(payload: bytes) -> None:
    parsed = loads_any(payload)
    if parsed is not None:
        number = as_number(at_path(parsed[0], "."), {})
        assert number is None or math.isfinite(number)


@pytest.mark.parametrize("payload", [b"[" * 100_000, b"\xff", b"x" * 300, b"{", b" " * (MAX_PAYLOAD_BYTES + 1)])
def test_what_is_neither_document_nor_word_is_nothing(payload: bytes) -> None:
    assert loads_any(payload) is None


@pytest.mark.parametrize(
    ("value", "words", "number"),
    [
        (True, {"true": 1.0}, 1.0), ("ON", {"ON": 1.0}, 1.0), ("on", {"ON": 1.0}, None), (True, {}, None),
        ("21.5", {}, 21.5), ("NaN", {}, None), ("1e999", {}, None), (None, {}, None), ({"a": 1}, {}, None),
        (1, {"1": 5.0}, 5.0),
    ],
)  # fmt: skip
def test_a_word_is_its_number_and_nothing_else_is_one(
    value: Any, words: dict[str, float], number: float | None
) -> None:
    assert as_number(value, words) == number


def test_a_number_is_said_as_the_device_says_it() -> None:
    assert word_of(1.0, {"true": 1.0, "false": 0.0}) is True
    assert word_of(0.0, {"ON": 1.0, "OFF": 0.0}) == "OFF"
    assert (word_of(2300.0000000000005, {}), word_of(2.5, {})) == (2300, 2.5)
    assert filled({"on": "{value}", "t": ["{ttl_s+100}"], "n": 3}, {"value": True, "ttl_s": 45}) == {
        "on": True, "t": [145], "n": 3,
    }  # fmt: skip
