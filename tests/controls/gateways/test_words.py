"""Registers hold what was written, at their resolution, and refuse what does not fit."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.register_words import WIDTH, decode, decode_frame, encode, encode_frame, frame_width, value_of
from controls.templates.load_templates import Place
from controls.templates.register_places import WordOrder, WordType

PLACE = Place.model_validate(
    {
        "register": 40210,
        "type": "int16",
        "scale": 0.01,
        "frame": ["value", "ttl_s", "epoch", "seq"],
        "has_sentinel": False,
    }
)
WHOLE = sorted(set(WIDTH) - {"float32"})


@given(st.sampled_from(WHOLE), st.data())
def test_every_integer_that_fits_comes_back(kind: WordType, data: st.DataObject) -> None:
    bits = 16 * WIDTH[kind]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.startswith("int") else (0, 2**bits - 1)
    raw = data.draw(st.integers(low, high))
    words = encode(raw, kind)
    assert all(0 <= word <= 0xFFFF for word in words)
    assert decode(words, kind) == raw
    for outside in (low - 1, high + 1):
        with pytest.raises(ValueError, match="does not fit"):
            encode(outside, kind)


@given(st.integers(-32768, 32767), st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 2**32 - 1))
def test_a_frame_comes_back(raw: int, ttl_s: int, epoch: int, seq: int) -> None:
    words = encode_frame(PLACE, value=raw * 0.01, ttl_s=ttl_s, epoch=epoch, seq=seq)
    assert len(words) == frame_width(PLACE) == 5
    assert decode_frame(PLACE, words) == {"value": round(raw * 0.01, 10), "ttl_s": ttl_s, "epoch": epoch, "seq": seq}


def test_the_golden_frame() -> None:
    # -1.5 kW is -150 hundredths, 0xff6a in two's complement; seq 65537 spans two words, high first.
    assert encode_frame(PLACE, value=-1.5, ttl_s=45, epoch=7, seq=65537) == [0xFF6A, 45, 7, 1, 1]


def test_numbers_of_the_specifications() -> None:
    # IEEE 754: 230.2 V is 0x43663333, as a meter of the SDM series sends it; -12.5 is 0xc1480000.
    assert encode(230.2, "float32") == [0x4366, 0x3333]
    assert decode([0x3333, 0x4366], "float32", "low_first") == pytest.approx(230.2, abs=1e-5)
    assert encode(-12.5, "float32", "low_first") == [0, 0xC148]
    assert value_of(decode([0x7FC0, 0], "float32"), Place.model_validate({"register": 0, "type": "float32"})) is None
    with pytest.raises(ValueError, match="does not fit float32"):
        encode(1e39, "float32")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(["high_first", "low_first"]))
def test_every_float_comes_back_in_either_order(raw: float, order: WordOrder) -> None:
    assert decode(encode(raw, "float32", order), "float32", order) == raw


@given(st.decimals(-999_999, 999_999, places=1), st.sampled_from([1.0, 0.001]))
def test_a_number_that_a_device_shows_is_read_as_it_shows_it(shown: Decimal, scale: float) -> None:
    # 11.3 is 11.30000019 in 32 bits, which is beyond a limit of 11.3.
    place = Place.model_validate({"register": 0, "type": "float32", "scale": scale})
    assert value_of(decode(encode(float(shown), "float32"), "float32"), place) == round(float(shown) * scale, 10)


@pytest.mark.parametrize("kind", ["int16", "uint16"])
def test_the_last_bit_of_a_register_is_no_missing_value(kind: WordType) -> None:
    for bit, word, value in ((15, 0x8000, 1.0), (0, 0x8000, 0.0), (15, 0x7FFF, 0.0), (3, 0xFFFF, None)):
        place = Place.model_validate({"register": 0, "type": kind, "bit": bit})
        assert value_of(decode([word], kind), place) == value


def test_nothing_has_no_sign() -> None:
    assert str(value_of(0, Place.model_validate({"register": 0, "scale": -0.1}))) == "0.0"


def test_a_frame_of_every_word() -> None:
    place = Place.model_validate({"register": 5, "type": "int16", "scale": 0.1, "on": 3, "frame": [
        "enabled", 7, "minus_value", "value", "safe_value", "skip", "ttl_long_s", "disabled",
    ]})  # fmt: skip
    words = encode_frame(place, value=2.5, ttl_s=45, epoch=1, seq=1, safe_value=0.0)
    assert words == [3, 7, 0xFFE7, 25, 0, 0, 0, 45, 0]
    assert decode_frame(place, words) == {
        "enabled": 3, "minus_value": -2.5, "value": 2.5, "safe_value": 0.0, "skip": 0, "ttl_long_s": 45, "disabled": 0,
    }  # fmt: skip


def test_coils_stand_for_values() -> None:
    place = Place.model_validate({"register": 0, "table": "coil", "codes": {1: [1, 0], 2: [0, 0]}})
    assert encode_frame(place, value=1.0, ttl_s=0, epoch=0, seq=0) == [1, 0]
    assert decode_frame(place, [0, 0]) == {"value": 2.0}
    assert decode_frame(place, [1, 1]) == {"value": None}
    with pytest.raises(ValueError, match="3 is none of 1, 2"):
        encode_frame(place, value=3.0, ttl_s=0, epoch=0, seq=0)
