"""The one base of every parameter model: frozen, closed, no NaN."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Immutable, refuses unknown keys, refuses NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
