"""Registers hold what was written, at their resolution, and refuse what does not fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.register_words import WIDTH, decode, decode_frame, encode, encode_frame, frame_width
from controls.templates.load_templates import Place, WordType

PLACE = Place.model_validate(
    {"register": 40210, "type": "int16", "scale": 0.01, "frame": ["value", "ttl_s", "epoch", "seq"]}
)


@given(st.sampled_from(sorted(WIDTH)), st.data())
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
