"""Parameters of the anomaly detectors: what a meter may do before an hour is marked."""

from pydantic import BaseModel, ConfigDict, Field


class DetectorParams(BaseModel):
    """Limits of all detectors at a sensitivity. Ratios are of energies of the same meter.

    sensitivity: 0 marks least, 1 most; 0.5 takes the limits as they stand. spike_ratio: an hour over the 99th
    percentile of the weeks before. high_ratio, low_ratio: over and under the highest and lowest usual level of that
    local hour. low_hours: fewer are no event. stuck_hours: equal readings in a row. night_odds, drift_odds: log odds
    that the model of nights and of drifts must exceed; night_ease: how much less one of two nights needs, and one that
    follows them. drift_ratio: log of the least gain of the last three days against the weeks before; drift_days: after
    so many a new level is usual.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sensitivity: float = Field(0.5, ge=0, le=1)
    training_days: int = Field(28, ge=14)
    window_days: int = Field(42, ge=28)
    spike_ratio: float = Field(1.6, gt=1)
    high_ratio: float = Field(2.2, gt=1)
    low_ratio: float = Field(0.35, gt=0, lt=1)
    low_hours: int = Field(4, ge=1)
    stuck_hours: int = Field(8, ge=3)
    night_odds: float = Field(-0.2)
    night_ease: float = Field(2.0, ge=0)
    drift_odds: float = Field(0.6)
    return_odds: float = Field(-1.7)
    drift_ratio: float = Field(0.1, gt=0)
    drift_days: int = Field(23, ge=14)

    @property
    def caution(self) -> float:
        """Factor on every distance that a limit keeps from what is usual: 2 at sensitivity 0, 1/2 at 1."""
        return float(2 ** (1 - 2 * self.sensitivity))

    @property
    def shift(self) -> float:
        """By how much the log odds of a model must exceed their limit: 2 at sensitivity 0, -2 at 1."""
        return 2 - 4 * self.sensitivity
