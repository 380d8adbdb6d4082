"""One tariff for each row of the table in docs/ems/tariffs.md: what each component becomes for an optimiser."""

from typing import Any

_TWO = [
    {"period_id": "peak", "start": "08:00", "end": "20:00", "price_per_kwh": "0.30"},
    {"period_id": "rest", "start": "20:00", "end": "08:00", "price_per_kwh": "0.20"},
]
_SELL = [
    {"period_id": "peak", "start": "08:00", "end": "20:00", "price_per_kwh": "0.10"},
    {"period_id": "rest", "start": "20:00", "end": "08:00", "price_per_kwh": "0.05"},
]


def _tiers(*prices: str) -> list[dict[str, Any]]:
    ends = [{"up_to": 1000 * (n + 1)} for n in range(len(prices) - 1)]
    return [{"price": price, **end} for price, end in zip(prices, [*ends, {}], strict=True)]


def _energy(*prices: str, **parts: Any) -> dict[str, Any]:
    return {"periods": [{"period_id": "all", "tiers": _tiers(*prices)}], **parts}


def _demand(**parts: Any) -> dict[str, Any]:
    return {"demand": [{"charge_id": "power", "periods": [{"period_id": "all", "price_per_kw": 9}], **parts}]}


def _kw_tiers(*prices: str) -> dict[str, Any]:
    tiers = [{"price": prices[0], "up_to": 10, "up_to_unit": "kw"}, {"price": prices[1]}]
    return _demand(periods=[{"period_id": "all", "tiers": tiers}])


def _unlike(basis: str) -> dict[str, Any]:
    """Tiers of the total whose prices step differently in two periods."""
    first, second = _tiers("0.1", "0.2"), _tiers("0.1", "0.3")
    hours = [{"start": "08:00", "end": "20:00"}, {"start": "20:00", "end": "08:00"}]
    return {
        "periods": [{"period_id": "a", "tiers": first, **hours[0]}, {"period_id": "b", "tiers": second, **hours[1]}],
        "tier_basis": basis,
    }


def _alike() -> dict[str, Any]:
    steps = _unlike("total")
    return steps | {"periods": [{**each, "tiers": _tiers("0.1", "0.2")} for each in steps["periods"]]}


# Row of the table -> (what it becomes, parts of a tariff that has it).
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "energy by hours, riders and taxes": (
        "LP",
        {
            "periods": _TWO,
            "riders": [{"charge_id": "r", "share": "0.05"}],
            "taxes": [{"charge_id": "v", "share": "0.2"}],
        },
    ),
    "energy by a price series": ("LP", {"energy": [{"charge_id": "spot", "series": {"series": "spot"}}]}),
    "energy tiers that rise": ("LP", _energy("0.1", "0.2", "0.3")),
    "energy tiers that fall": ("binary", _energy("0.3", "0.2")),
    "tiers of the total, periods that step alike": ("LP", _alike()),
    "tiers of the total, periods that step differently": ("refused", _unlike("total")),
    "tiers in order of time, periods that step differently": ("refused", _unlike("in_time_order")),
    "tiers of hours use (kWh per kW)": (
        "refused",
        {
            "periods": [
                {
                    "period_id": "all",
                    "tiers": [{"price": "0.3", "up_to": 200, "up_to_unit": "kwh_per_kw"}, {"price": "0.2"}],
                }
            ]
        },
    ),
    "periods by register": (
        "refused",
        {"periods": [], "energy": [{"charge_id": "e", "by_register": True, "periods": _TWO}]},
    ),
    "demand, block or rolling window": ("LP", _demand(method="rolling", window_minutes=60, sub_interval_minutes=15)),
    "mean of several daily peaks": ("LP", _demand(peaks=3)),
    "ratchet, minimum and contracted share": (
        "LP",
        _demand(
            ratchet={"share": "0.8", "includes_current": True}, minimum_kw=5, contracted_kw=50, contracted_share="0.5"
        ),
    ),
    "demand tiers that rise": ("LP", _kw_tiers("4", "9")),
    "demand tiers that fall": ("binary", _kw_tiers("9", "4")),
    "coincident demand at published hours": ("LP", _demand(coincident_at=["2025-01-15T12:00:00Z"])),
    "coincident demand, no hour published": ("refused", _demand(coincident_at=["2025-03-15T12:00:00Z"])),
    "demand in kVA": ("refused", _demand(unit="kva")),
    "demand by a ratio of power factors": ("refused", _demand(reference_power_factor="0.9")),
    "mean over months": ("LP", _demand(ratchet={"rule": "mean", "months": 12, "includes_current": True}, minimum_kw=3)),
    "a block of demand at an amount": (
        "refused",
        _demand(
            periods=[
                {"period_id": "all", "tiers": [{"amount": 10, "up_to": 5, "up_to_unit": "kw"}, {"amount": 30}]},
            ]
        ),
    ),
    "billed demand rounded": ("refused", _demand(demand_decimals=0)),
    "contracted power and its excess": (
        "LP",
        {"capacity": [{"charge_id": "c", "contracted": 20, "price_per_unit": 3, "excess_price_per_unit": 9}]},
    ),
    "reactive energy beyond tan phi": (
        "LP",
        {"reactive": [{"charge_id": "q", "tan_phi": "0.5", "price_per_kvarh": "0.02"}]},
    ),
    "a price per kW below zero": ("refused", _demand(periods=[{"period_id": "all", "price_per_kw": -1}])),
    "fixed charges": ("LP", {"fixed": [{"charge_id": "f", "amount": 20}]}),
    "export by hours": ("LP", {"export": {"periods": _SELL}}),
    "feed-in cap in kW": ("LP", {"export": {"price_per_kwh": "0.1", "cap_kw": 5}}),
    "feed-in cap in kW, export costs money": ("binary", {"export": {"price_per_kwh": "-0.1", "cap_kw": 5}}),
    "feed-in cap in kWh, one price": ("LP", {"export": {"price_per_kwh": "0.1", "cap_kwh": 500}}),
    "feed-in cap in kWh, a later period is paid more": ("binary", {"export": {"periods": _SELL[::-1], "cap_kwh": 500}}),
    "net metering, in the bill that settles it": (
        "LP",
        {"metering": {"arrangement": "net_metering_energy", "true_up_month": 1}},
    ),
    "net metering or credit carried to later bills": (
        "refused",
        {"metering": {"arrangement": "net_metering_energy", "true_up_month": 12}},
    ),
    "net metering at a price below zero": (
        "binary",
        {
            "periods": [{"period_id": "all", "price_per_kwh": "-0.1"}],
            "metering": {"arrangement": "net_metering_energy", "true_up_month": 1},
        },
    ),
    "buy all, sell all": ("LP", {"metering": {"arrangement": "buy_all_sell_all"}}),
    "minimum bill": ("LP", {"minimum": {"monthly": 50}, **_demand()}),
    "a tax on the minimum's line alone": (
        "refused",
        {"minimum": {"monthly": 50}, "taxes": [{"charge_id": "v", "share": "0.2", "of": ["minimum"]}], **_demand()},
    ),
}
