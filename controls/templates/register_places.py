"""Place of a value on a Modbus device: register, type, scale; scale factor, rating and model as SunSpec has them."""

from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

WordType = Literal["int16", "uint16", "int32", "uint32", "float32"]
WordOrder = Literal["high_first", "low_first"]
Table = Literal["holding", "input", "coil", "discrete"]
# Words of a frame. ttl: seconds until the device falls back (written: to be; read: left). armed: the seconds last
# written, where a device does not count them down. long: in two registers. enabled, disabled: the place's `on`, and 0.
FrameWord = Literal[
    "value", "minus_value", "safe_value", "ttl_s", "ttl_long_s", "armed_s", "armed_long_s", "epoch", "seq", "enabled",
    "disabled", "skip",
]  # fmt: skip
# A request reads this many registers at most (Modbus application protocol 1.1b3, 6.3).
MAX_REGISTERS = 125
_WRITABLE: tuple[Table, ...] = ("holding", "coil")


class Frame(Model):
    """Consecutive registers that are written in one request: their first, and what stands in them.

    A whole number stands for itself.
    """

    register_address: int = Field(alias="register", ge=0, le=65535)
    frame: tuple[FrameWord | int, ...] = Field(min_length=1)


class RegisterPlace(Model):
    """A Modbus register (address on the wire, from 0; with `model`: counted from that SunSpec model's id).

    value = raw * scale * 10^scale factor * share_of. A frame lists what stands in consecutive registers from
    `register` on, written in one FC16 or read in one request: value (of `type`), ttl_s and epoch (uint16), seq (uint32,
    high word first), and so on. Where no one request can set a value, `steps` lists those that do, in their order.
    """

    register_address: int | None = Field(default=None, alias="register", ge=0, le=65535)
    table: Table = "holding"
    model: int | None = Field(default=None, ge=1, le=65534, description="SunSpec model from which the register counts")
    type: WordType = "int16"
    scale: float = 1.0
    scale_factor: int | None = Field(
        default=None, ge=0, le=65535, description="Register of a power of ten (SunSpec SF), counted as `register` is"
    )
    share_of: "RegisterPlace | None" = Field(
        default=None, description="A rating of the device that the value is a share of"
    )
    bit: int | None = Field(default=None, ge=0, le=15, description="This bit of the register alone: 0 or 1")
    codes: dict[int, tuple[int, ...]] = Field(
        default={}, description="For each value the words, or coils, that stand for it"
    )
    word_order: WordOrder = Field(default="high_first", description="Of values in two registers")
    has_sentinel: bool = Field(
        default=True, description="The type's last value (0x8000, 0xffff) says 'no such value', as in SunSpec"
    )
    frame: tuple[FrameWord | int, ...] = ("value",)
    on: int = Field(default=1, ge=1, le=65535, description="What `enabled` is where the device follows the value")
    steps: tuple[Frame, ...] = Field(default=(), description="Requests that set the value, in their order")
    release: tuple[Frame, ...] = Field(
        default=(), description="Requests that give the device back to itself: its safe default, with no timer to run"
    )

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if self.scale == 0:
            raise ValueError("scale must not be 0")
        if self.frame.count("value") != 1:
            raise ValueError("a frame holds 'value' exactly once")
        at = self.register_address or 0
        if self.scale_factor is not None and abs(self.scale_factor - at) >= MAX_REGISTERS - 2:
            raise ValueError(f"scale_factor must lie within {MAX_REGISTERS - 2} registers: both are read at once")
        widths = {len(words) for words in self.codes.values()}
        if len(widths) > 1 or 0 in widths:
            raise ValueError("codes must all have the same number of words")
        if self.table in ("coil", "discrete") and not self.codes:
            raise ValueError(f"table {self.table} wants codes: which coils stand for which value")
        if self.codes and (self.steps or self.release or self.frame != ("value",)):
            raise ValueError("codes are all that a request holds: no frame, steps or release beside them")
        self._check_order()
        return self

    def _check_order(self) -> None:
        """A timer is set before the value that it ends, and nothing is enabled before its value stands."""
        if not self.steps:
            return
        words = [word for step in self.steps for word in step.frame]
        if words.count("value") != 1:
            raise ValueError("steps hold 'value' exactly once")
        at = {name: index for index, step in enumerate(self.steps) for name in step.frame}
        timer = at.get("ttl_s", at.get("ttl_long_s", 0))
        if not timer <= at["value"] <= at.get("enabled", at["value"]):
            raise ValueError("steps must go: revert value, revert time, value, enable")

    @property
    def write_steps(self) -> tuple[Frame, ...]:
        """The requests that set the value."""
        if self.steps or self.register_address is None:
            return self.steps
        return (Frame.model_validate({"register": self.register_address, "frame": self.frame}),)

    @property
    def has_timer(self) -> bool:
        """True where a write starts a timer in the device."""
        return any(word in ("ttl_s", "ttl_long_s") for step in self.write_steps for word in step.frame)

    @property
    def is_writable(self) -> bool:
        """True where the table can be written at all."""
        return self.table in _WRITABLE
