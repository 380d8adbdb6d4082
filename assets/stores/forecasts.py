"""Forecasts as issued and decisions about which model leads, append-only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.seals import append_row
from assets.stores.tables_baselines import forecasts, promotions
from assets.stores.transactions import Store, next_recorded_at
from data_quality.contracts.forecast import Forecast
from data_quality.contracts.time import Clock


class ForecastStore:
    """What was forecast, when it was issued and when it was recorded."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, forecast: Forecast, clock: Clock) -> bool:
        """Append a forecast. False where the same forecast_id is there already (nothing is written)."""
        with self.store.begin() as connection:
            recorded_at = next_recorded_at(connection, clock.now_utc())
            known = connection.execute(
                sa.select(forecasts.c.forecast_id).where(forecasts.c.forecast_id == forecast.forecast_id)
            ).first()
            if known is not None:
                return False
            connection.execute(
                forecasts.insert().values(
                    forecast_id=forecast.forecast_id,
                    site_id=forecast.site_id,
                    target=forecast.target,
                    issued_at_utc=forecast.issued_at_utc,
                    forecast=forecast.model_dump(mode="json"),
                    recorded_at_utc=recorded_at,
                )
            )
            return True

    def latest(self, site_id: str, target: str, *, as_of_utc: datetime | None = None) -> Forecast | None:
        """The forecast issued last (of two for one instant, the one recorded last); None where there is none."""
        query = (
            sa.select(forecasts.c.forecast)
            .where(forecasts.c.site_id == site_id, forecasts.c.target == target)
            .order_by(forecasts.c.issued_at_utc.desc(), forecasts.c.recorded_at_utc.desc())
            .limit(1)
        )
        if as_of_utc is not None:
            query = query.where(forecasts.c.recorded_at_utc <= as_of_utc)
        rows = self.store.rows(query)
        return Forecast.model_validate(rows[0]["forecast"]) if rows else None

    def get(self, forecast_id: str) -> Forecast | None:
        """The forecast of that id, or None."""
        rows = self.store.rows(sa.select(forecasts.c.forecast).where(forecasts.c.forecast_id == forecast_id))
        return Forecast.model_validate(rows[0]["forecast"]) if rows else None

    def add_promotion(self, model_name: str, decision: Mapping[str, Any], clock: Clock) -> None:
        """Append one decision about the leading model of a target, whichever way it went."""
        with self.store.begin() as connection:
            recorded_at = next_recorded_at(connection, clock.now_utc())
            append_row(
                connection, promotions, model_name=model_name, decision=dict(decision), recorded_at_utc=recorded_at
            )

    def promotions(self, model_name: str | None = None) -> list[dict[str, Any]]:
        """Decisions in the order they were taken: model_name, decision, recorded_at_utc."""
        query = sa.select(promotions).order_by(promotions.c.id)
        if model_name is not None:
            query = query.where(promotions.c.model_name == model_name)
        return self.store.rows(query)
