"""A closed site of a battery, a room, PV and a load that keeps exactly to its site file, and foretells what comes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from data_quality.contracts.control.closed_loop import Outlook, SetPoints, SiteAccount, SiteObservation
from data_quality.contracts.site_file.site import Site

START = datetime(2026, 1, 5, tzinfo=UTC)
QUARTER_H = 0.25
OUTDOOR, R, C, HEATER = 0.0, 20.0, 2.0, 2.0


def site_file(**room: Any) -> Site:
    """Its own file. room: figures of the room that it says otherwise."""
    return Site.model_validate(
        {
            "site_id": "small",
            "name": "Small house",
            "time_zone": "UTC",
            "currency": "EUR",
            "country": "DE",
            "is_simulated": True,
            "meters": [{"meter_id": "grid", "name": "Grid", "connected_load_kw": 20}],
            "assets": [
                {
                    "asset_id": "battery",
                    "name": "Battery",
                    "kind": "battery",
                    "params": {
                        "capacity_kwh": 4,
                        "max_charge_kw": 2,
                        "max_discharge_kw": 2,
                        "soc_min": 0,
                        "soc_max": 1,
                        "charge_efficiency": 1.0,
                        "discharge_efficiency": 1.0,
                        "wear_per_kwh": 0.01,
                    },
                },
                {
                    "asset_id": "heater",
                    "name": "Heater",
                    "kind": "heating_relay",
                    "params": {
                        "power_kw": HEATER,
                        "room": {"r_k_per_kw": R, "c_kwh_per_k": C, "low_degc": 19, "high_degc": 22} | room,
                    },
                },
            ],
        }
    )


class LinearSite:
    """Half of each day is cheap. Where it is told nothing, its thermostat heats at 19.1 degC and the battery rests.

    thermometer: says something else than the temperature, by the quarter hours that have passed.
    """

    def __init__(
        self, *, load_kw: float = 0.5, is_heated: bool = True, dear: float = 0.5, thermometer: Any = None
    ) -> None:
        self.load_kw, self.is_heated, self.dear, self.thermometer = load_kw, is_heated, dear, thermometer
        self.at, self.degc, self.kwh, self.cost, self.cold_kh, self.import_kwh = 0, 20.0, 0.0, 0.0, 0.0, 0.0
        self.drawn = {"battery": 0.0, "heater": 0.0}
        self.told: list[SetPoints] = []
        self.issued_before = timedelta(0)

    def price(self, quarter: int) -> float:
        """Cheap in the first half of the day."""
        return 0.1 if quarter % 96 < 48 else self.dear

    def look(self) -> SiteObservation:
        """All that it is."""
        shown = self.degc if self.thermometer is None else self.thermometer(self.at, self.degc)
        net = self.load_kw + sum(self.drawn.values())
        return SiteObservation(
            at_utc=START + self.at * timedelta(minutes=15),
            states={"battery": self.kwh, "heater": shown},
            drawn_kw=dict(self.drawn),
            load_kw=self.load_kw,
            import_kw=max(net, 0.0),
            export_kw=max(-net, 0.0),
            outdoor_degc=OUTDOOR,
            ghi_w_per_m2=0.0,
        )

    def outlook(self, hours: int) -> Outlook:
        """Outlook over the next hours."""
        first = self.at // 4 * 4
        prices = tuple(self.price(first + n) for n in range(4 * hours))
        return Outlook(
            start_utc=START + first * timedelta(minutes=15) - self.issued_before,
            outdoor_degc=((OUTDOOR,) * hours,) * 3,
            ghi_w_per_m2=((0.0,) * hours,) * 3,
            import_price_per_kwh=prices,
            export_price_per_kwh=(0.0,) * len(prices),
        )

    def act(self, set_points: SetPoints, minutes: int) -> None:
        """Each device as told, as far as it can."""
        assert minutes == 15
        self.told.append(set_points)
        heater = set_points.get("heater", {})
        wanted = heater.get("set_temperature_degc", 19.1)
        is_on = heater.get("set_switch_state", float(self.degc < wanted)) > 0 and self.is_heated
        setpoint_kw = set_points.get("battery", {}).get("set_charge_power_kw", 0.0)
        power = min(max(setpoint_kw, -2.0, -self.kwh / QUARTER_H), 2.0, (4.0 - self.kwh) / QUARTER_H)
        self.kwh += QUARTER_H * power
        self.drawn = {"battery": power, "heater": HEATER * is_on}
        kept = np.exp(-QUARTER_H / (R * C))
        self.degc = float(kept * self.degc + (1 - kept) * (OUTDOOR + R * HEATER * is_on))
        net = self.load_kw + power + HEATER * is_on
        self.cost += QUARTER_H * max(net, 0.0) * self.price(self.at)
        self.import_kwh += QUARTER_H * max(net, 0.0)
        self.cold_kh += QUARTER_H * max(19.0 - self.degc, 0.0)
        self.at += 1

    def lived(self) -> SiteAccount:
        """With what is stored worth a cheap kWh."""
        return SiteAccount(
            cost=self.cost - 0.1 * (self.kwh + C * self.degc),
            kgco2e=0.0,
            discomfort_kh=self.cold_kh,
            breach_share=0.0,
            cycles=0.0,
            switchings=0.0,
            import_kwh=self.import_kwh,
            export_kwh=0.0,
            pv_kwh=0.0,
        )

    def open_account(self) -> None:
        """From now on."""
        self.cost, self.cold_kh, self.import_kwh = 0.1 * (self.kwh + C * self.degc), 0.0, 0.0
