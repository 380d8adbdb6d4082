"""Forecasts as issued and decisions about which model leads, append-only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from assets.stores.journal import AppendOnly, document_in, row_of
from assets.stores.schema.tables_baselines import forecasts, promotions
from assets.stores.transactions import Store
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.time import Clock

_FORECASTS = AppendOnly(forecasts, document_in("forecast", Forecast), order=("issued_at_utc", "recorded_at_utc"))
_PROMOTIONS = AppendOnly(promotions, dict, order=("id",))


class ForecastStore:
    """What was forecast, when it was issued and when it was recorded."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, forecast: Forecast, clock: Clock) -> bool:
        """Append a forecast. False where the same forecast_id is there already (nothing is written)."""
        row = row_of(forecasts, forecast, forecast=forecast.model_dump(mode="json"))
        return _FORECASTS.add_once(self.store, clock, row)

    def latest(self, site_id: str, target: str, *, as_of_utc: datetime | None = None) -> Forecast | None:
        """The forecast issued last (of two for one instant, the one recorded last); None where there is none."""
        return _FORECASTS.latest(self.store, as_of_utc=as_of_utc, site_id=site_id, target=target)

    def get(self, forecast_id: str) -> Forecast | None:
        """The forecast of that id, or None."""
        return _FORECASTS.latest(self.store, forecast_id=forecast_id)

    def add_promotion(self, model_name: str, decision: Mapping[str, Any], clock: Clock) -> None:
        """Append one decision about the leading model of a target, whichever way it went."""
        _PROMOTIONS.add(self.store, clock, {"model_name": model_name, "decision": dict(decision)})

    def promotions(self, model_name: str | None = None) -> list[dict[str, Any]]:
        """Decisions in the order they were taken: model_name, decision, recorded_at_utc."""
        return _PROMOTIONS.rows(self.store, model_name=model_name)
