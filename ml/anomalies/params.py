"""Parameters of the anomaly detectors: what a meter may do before an hour is marked."""

from pydantic import BaseModel, ConfigDict, Field


class DetectorParams(BaseModel):
    """Limits of all detectors at a sensitivity. Ratios are of energies of the same meter.

    sensitivity: 0 marks least, 1 most; 0.5 takes the limits as they stand. spike_ratio: an hour over the 99th
    percentile of the weeks before. high_ratio, low_ratio: over and under the highest and lowest usual level of that
    local hour. low_hours: fewer are no event. stuck_hours: equal readings in a row. night_ratio: a night over what nine
    of ten nights before did not exceed; night_spread: the same in spreads of those nights. drift_ratio: log of the gain
    of the last three days against the weeks before; drift_fit: correlation of the daily gains with time;
    drift_spread: how much the hours of the day may differ in their gain, as a share of it; drift_z: the gain over the
    spread of daily gains of the weeks before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sensitivity: float = Field(0.5, ge=0, le=1)
    training_days: int = Field(28, ge=14)
    window_days: int = Field(42, ge=28)
    spike_ratio: float = Field(1.6, gt=1)
    high_ratio: float = Field(2.2, gt=1)
    low_ratio: float = Field(0.35, gt=0, lt=1)
    low_hours: int = Field(3, ge=1)
    stuck_hours: int = Field(8, ge=3)
    night_ratio: float = Field(1.10, gt=1)
    night_spread: float = Field(1.0, gt=0)
    drift_days: int = Field(14, ge=7)
    drift_ratio: float = Field(0.15, gt=0)
    drift_fit: float = Field(0.85, gt=0, lt=1)
    drift_spread: float = Field(0.4, gt=0)
    drift_z: float = Field(4.0, gt=0)

    @property
    def caution(self) -> float:
        """Factor on every distance that a limit keeps from what is usual: 2 at sensitivity 0, 1/2 at 1."""
        return float(2 ** (1 - 2 * self.sensitivity))
