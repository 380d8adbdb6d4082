"""URDB rate objects (OpenEI) as tariffs of our language, with URDB's meaning: lines are not rounded, tier limits are
per period's own kWh of the month, no holidays, `$/day` fixed charges count days, all amounts in USD.

What the language has no part for is refused by name.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput

# URDB writes "no upper end" as a number nobody reaches: 1e38, 1e14.
_NO_LIMIT = Decimal("1e9")
# URDB knows no holidays. Each kind of day needs a price all the same, so they go with the weekend.
_WEEKDAYS, _FREE_DAYS = ["weekday"], ["weekend", "holiday"]
_TIER_UNITS = {"kwh": "kwh", "kwh daily": "kwh_per_day", "kwh/kw": "kwh_per_kw"}
_DEMAND_UNITS = {"kw": "kw", "kva": "kva"}
_PER = {"$/month": "month", "$/day": "day", "$/year": "year"}
_MINIMUM = {"$/month": "monthly", "$/day": "daily", "$/year": "annual"}
_ARRANGEMENTS: dict[str, dict[str, Any]] = {
    "net metering": {"arrangement": "net_metering_energy"},
    "net billing instantaneous": {"arrangement": "net_billing"},
    "net billing hourly": {"arrangement": "net_billing", "netting_minutes": 60},
    "buy all credit all": {"arrangement": "buy_all_sell_all"},
    "buy all sell all": {"arrangement": "buy_all_sell_all"},
}
# Charges that the language has no part for; present and not zero, they would be left out of the bill.
_UNKNOWN = ("coincidentratestructure", "demandreactivepowercharge", "fixedchargeeaaddl")


def is_urdb(document: object) -> bool:
    """True for a rate object, or `{"items": [rate]}`."""
    if isinstance(document, Mapping) and isinstance(items := document.get("items"), Sequence):
        return bool(items) and is_urdb(items[0])
    return isinstance(document, Mapping) and any(
        key in document for key in ("energyratestructure", "demandratestructure", "flatdemandstructure")
    )


def read_urdb(document: Mapping[str, Any], *, file: str = "", name: str = "") -> Tariff:
    """The tariff of a URDB rate object. Raises BadInput (reason incomplete_tariff) where a scheduled period has no
    rate, a structure has no schedule, or a part is not supported.
    """
    rate = document
    if "items" in document:
        if len(document["items"]) != 1:
            raise _bad(file, f"items holds {len(document['items'])} rates, expected one", reason="several_rates")
        rate = document["items"][0]
    # OpenEI writes lookbackpercent where its documentation writes lookbackPercent.
    rate = {str(key).lower(): value for key, value in rate.items()}
    for key in _UNKNOWN:
        if rate.get(key):
            raise _bad(
                file,
                f"{key} is not supported: the bill would lack a charge; a bill without it needs the key taken out",
                reason="unsupported_charge",
            )
    energy, sell = _energy(rate, file)
    parts: dict[str, Any] = {
        "tariff_id": str(rate.get("label") or name or rate.get("name") or "urdb"),
        "name": str(rate.get("name") or name),
        "supplier": str(rate.get("utility") or ""),
        "source": str(rate.get("uri") or rate.get("source") or ""),
        "currency": "USD",
        "calendar": {"weekend": ["sat", "sun"], "holidays": []},
        "periods": energy,
        "energy": _fuel(rate, file),
        "demand": [*_tou_demand(rate, file), *_flat_demand(rate, file)],
        "fixed": _fixed(rate, file),
        "minimum": _minimum(rate, file),
        "metering": _metering(rate, file),
        "rounding": "none",
        "version": _version(rate),
    }
    if sell:
        parts["export"] = {"periods": sell}
    return Tariff.model_validate(parts)


def _energy(rate: Mapping[str, Any], file: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Energy periods, and periods of what is paid for surplus where the rate says so."""
    structure = _structure(rate, "energyratestructure", file)
    if not structure:
        raise _bad(file, "energyratestructure is missing or empty")
    windows = schedule_windows(rate, "energy", file)
    periods, sell = [], []
    for period, when in sorted(windows.items()):
        tiers = _tiers(structure, "energyratestructure", period, file, units=_TIER_UNITS)
        periods.append({"period_id": str(period), "windows": when, **_priced(tiers, "price_per_kwh")})
        paid = [
            _number(tier.get("sell", 0), f"energyratestructure period {period}: sell", file)
            for tier in structure[period]
        ]
        if len(set(paid)) > 1:
            raise _bad(
                file, f"energyratestructure period {period}: sell differs between tiers", reason="unsupported_charge"
            )
        sell.append({"period_id": str(period), "windows": when, "price_per_kwh": paid[0]})
    # A rate may say `sell: 0` throughout; lines of zero would pretend that a feed-in tariff exists.
    return periods, sell if any(period["price_per_kwh"] for period in sell) else []


def _tou_demand(rate: Mapping[str, Any], file: str) -> list[dict[str, Any]]:
    structure = _structure(rate, "demandratestructure", file)
    if not structure:
        return []
    periods = [
        {
            "period_id": str(period),
            "windows": when,
            **_priced(_tiers(structure, "demandratestructure", period, file, units=None), "price_per_kw"),
        }
        for period, when in sorted(schedule_windows(rate, "demand", file).items())
    ]
    return [_demand(rate, "demand_tou", "TOU demand", periods, "demandrateunit", file)]


def _flat_demand(rate: Mapping[str, Any], file: str) -> list[dict[str, Any]]:
    structure = _structure(rate, "flatdemandstructure", file)
    if not structure:
        return []
    months = rate.get("flatdemandmonths") or [0] * 12
    if not _is_row(months, 12):
        raise _bad(file, "flatdemandmonths needs 12 period numbers, counted from 0")
    periods = [
        {
            "period_id": str(period),
            "months": [month for month in range(1, 13) if months[month - 1] == period],
            **_priced(_tiers(structure, "flatdemandstructure", period, file, units=None), "price_per_kw"),
        }
        for period in sorted(set(months))
    ]
    charge = _demand(rate, "demand_flat", "facilities demand", periods, "flatdemandunit", file)
    shares = _twelve(rate, "demandratchetpercentage", file)
    if any(shares):
        names = [period["period_id"] for period in periods]
        # Eleven months back and the present one are a year.
        charge["ratchet"] = {"share_of_month": [_share(share) for share in shares], "months": 11, "of_periods": names}
    return [charge]


def _demand(
    rate: Mapping[str, Any], charge_id: str, text: str, periods: list[dict[str, Any]], unit_key: str, file: str
) -> dict[str, Any]:
    unit_key = unit_key if rate.get(unit_key) or not rate.get("demandunits") else "demandunits"
    written = rate.get(unit_key) or "kW"
    unit = _DEMAND_UNITS.get(str(written).lower())
    if unit is None:
        raise _bad(file, f"{unit_key} {written!r} is not supported; known are kW, kVA", reason="wrong_unit")
    window = rate.get("demandwindow")
    names = [period["period_id"] for period in periods]
    # SAM holds the peaks of TOU periods to a share of earlier ones, REopt those of the month: a rate says no more.
    share = _number(rate.get("lookbackpercent") or 0, "lookbackPercent", file)
    return {
        **({"ratchet": ratchet} if share and (ratchet := _lookback(rate, share, names, file)) else {}),
        "charge_id": charge_id,
        "description": text,
        "periods": periods,
        "unit": unit,
        # Utilities average over 15 or 30 minutes; where the rate is silent, the shorter never shows a lower peak.
        "window_minutes": _whole(window, "demandwindow", "minutes", file) if window else 15,
    }


def _lookback(rate: Mapping[str, Any], share: Decimal, names: list[str], file: str) -> dict[str, Any]:
    """LookbackRange counts months back; without it lookbackMonths names the months whose peaks count: of none, no
    ratchet, as no month is every month to our own.
    """
    span = _whole(rate.get("lookbackrange") or 0, "lookbackRange", "months", file)
    found: dict[str, Any] = {"share": _share(share), "of_periods": names, "months": span or 11}
    named = rate.get("lookbackmonths")
    if not span and isinstance(named, Sequence) and not isinstance(named, str):
        if len(named) != 12:
            raise _bad(file, f"lookbackMonths needs 12 values, got {len(named)}")
        if not any(named):
            return {}
        found["of_months"] = [month for month, holds in enumerate(named, start=1) if holds]
    elif not span and named:
        found["months"] = _whole(named, "lookbackMonths", "months", file)
    return found


def _whole(value: Any, what: str, unit: str, file: str) -> int:
    number = _number(value, what, file)
    if number != int(number) or number < 0:
        raise _bad(file, f"{what}: expected a whole number of {unit}, got {value!r}")
    return int(number)


def _share(value: Decimal) -> Decimal:
    """Shares are written 0.8 or 80."""
    # No ratchet exceeds the peak that set it, so a number above one can only be a percentage.
    return value / 100 if value > 1 else value


def _fuel(rate: Mapping[str, Any], file: str) -> list[dict[str, Any]]:
    prices = _twelve(rate, "fueladjustmentsmonthly", file)
    if not any(prices):
        return []
    periods = [
        {"period_id": f"{month:02d}", "months": [month], "price_per_kwh": prices[month - 1]} for month in range(1, 13)
    ]
    return [{"charge_id": "fuel_adjustment", "description": "fuel adjustment", "periods": periods}]


def _twelve(rate: Mapping[str, Any], key: str, file: str) -> list[Decimal]:
    """Values of January to December; none where the rate has no such key, twelve times the one that it has."""
    values = rate.get(key) or []
    if not isinstance(values, Sequence) or isinstance(values, str):
        values = [values] * 12
    if values and len(values) != 12:
        raise _bad(file, f"{key} needs 12 values, got {len(values)}")
    return [_number(value, key, file) for value in values]


def _fixed(rate: Mapping[str, Any], file: str) -> list[dict[str, Any]]:
    amount, unit = rate.get("fixedchargefirstmeter"), str(rate.get("fixedchargeunits") or "$/month")
    if not amount:
        # The key of older rate objects.
        amount, unit = rate.get("fixedmonthlycharge"), "$/month"
    if not amount:
        return []
    if unit not in _PER:
        raise _bad(file, f"fixedchargeunits {unit!r}; known are {', '.join(_PER)}", reason="wrong_unit")
    text = "fixed monthly charge" if unit == "$/month" else f"fixed charge ({unit})"
    exact = _number(amount, "fixed charge", file)
    return [{"charge_id": "fixed", "description": text, "amount": exact, "per": _PER[unit]}]


def _minimum(rate: Mapping[str, Any], file: str) -> dict[str, Decimal]:
    least = {
        "monthly": _number(rate.get("minmonthlycharge") or 0, "minmonthlycharge", file),
        "annual": _number(rate.get("annualmincharge") or 0, "annualmincharge", file),
    }
    if amount := _number(rate.get("mincharge") or 0, "mincharge", file):
        unit = str(rate.get("minchargeunits") or "$/month")
        if unit not in _MINIMUM:
            raise _bad(file, f"minchargeunits {unit!r}; known are {', '.join(_MINIMUM)}", reason="wrong_unit")
        least[_MINIMUM[unit]] = amount
    return least


def _metering(rate: Mapping[str, Any], file: str) -> dict[str, Any]:
    rules = str(rate.get("dgrules") or "")
    if not rules:
        # Older objects have a flag only; dgrules, where it stands, says more.
        return _ARRANGEMENTS["net metering" if rate.get("usenetmetering") else "net billing instantaneous"]
    if rules.lower() not in _ARRANGEMENTS:
        known = ", ".join(_ARRANGEMENTS)
        raise _bad(file, f"dgrules {rules!r} is not supported; known are {known}", reason="unsupported_charge")
    return _ARRANGEMENTS[rules.lower()]


def _version(rate: Mapping[str, Any]) -> str:
    started = rate.get("startdate")
    if not isinstance(started, int) or not 0 <= started < datetime.max.replace(tzinfo=UTC).timestamp():
        return ""
    # Midnights without a zone, as epoch seconds: the machine's zone would move the date by a day.
    return f"in force from {datetime.fromtimestamp(started, tz=UTC).date()}"


def _structure(rate: Mapping[str, Any], key: str, file: str) -> Sequence[Any]:
    structure = rate.get(key) or []
    if not isinstance(structure, Sequence) or isinstance(structure, str):
        raise _bad(file, f"{key}: expected a list of periods, each a list of tiers, got {type(structure).__name__}")
    for period, tiers in enumerate(structure):
        if not isinstance(tiers, Sequence) or not all(isinstance(tier, Mapping) for tier in tiers) or not tiers:
            raise _bad(file, f"{key}: period {period} has no tiers")
    return structure


def _tiers(
    structure: Sequence[Any], key: str, period: int, file: str, *, units: Mapping[str, str] | None
) -> list[dict[str, Any]]:
    if period >= len(structure):
        raise _bad(file, f"period {period} is in the schedule, but {key} has periods 0 to {len(structure) - 1}")
    found: list[dict[str, Any]] = []
    for number, tier in enumerate(structure[period], start=1):
        where = f"{key}: period {period}, tier {number}"
        if tier.get("rate") is None:
            raise _bad(file, f"{where} has no rate")
        # `adj` is an adjustment per kWh that URDB keeps beside the rate; the bill charges both.
        price = _number(tier["rate"], f"{where}: rate", file) + _number(tier.get("adj") or 0, f"{where}: adj", file)
        limit = tier.get("max")
        if number == len(structure[period]) and limit is not None and _number(limit, f"{where}: max", file) == 0:
            # Rates are found that leave the field of the last tier at zero; a tier that ends there would hold nothing.
            limit = None
        up_to = None if limit is None else _number(limit, f"{where}: max", file)
        if up_to is not None and up_to <= 0:
            raise _bad(file, f"{where}: max {limit} is not above zero", reason="negative_tier")
        unit = "kw"
        if units is not None:
            written = str(tier.get("unit") or "kWh")
            unit = units.get(written.lower(), "")
            if not unit:
                raise _bad(file, f"{where}: unit {written!r}; known are {', '.join(units)}", reason="wrong_unit")
        found.append(
            {"price": price, "up_to": None if up_to is None or up_to >= _NO_LIMIT else up_to, "up_to_unit": unit}
        )
    for number, (lower, upper) in enumerate(pairwise(found), start=2):
        if lower["up_to"] is None or (upper["up_to"] is not None and upper["up_to"] <= lower["up_to"]):
            raise _bad(
                file,
                f"{key}: period {period}, tier {number} does not end above tier {number - 1}",
                reason="negative_tier",
            )
    if found[-1]["up_to"] is not None:
        raise _bad(file, f"{key}: period {period} has no rate above {found[-1]['up_to']}")
    return found


def _priced(tiers: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """One tier without end is a price."""
    return {key: tiers[0]["price"]} if len(tiers) == 1 else {"tiers": tiers}


def schedule_windows(rate: Mapping[str, Any], kind: str, file: str) -> dict[int, list[dict[str, Any]]]:
    """Period number -> windows, from the schedules of 12 months x 24 hours."""
    found: dict[int, list[dict[str, Any]]] = {}
    for key, day_types in ((f"{kind}weekdayschedule", _WEEKDAYS), (f"{kind}weekendschedule", _FREE_DAYS)):
        table = rate.get(key)
        if table is None:
            raise _bad(file, f"{key} is missing: {kind}ratestructure needs weekday and weekend schedules")
        if not _is_schedule(table):
            raise _bad(file, f"{key}: expected 12 rows of 24 period numbers, counted from 0")
        runs: dict[tuple[int, int, int], list[int]] = {}
        for month, row in enumerate(table, start=1):
            start = 0
            for hour in range(1, 25):
                if hour == 24 or row[hour] != row[start]:
                    # Hour 24 is written 00:00: a window that ends there ends with the day.
                    runs.setdefault((int(row[start]), start, hour % 24), []).append(month)
                    start = hour
        for (period, first, last), months in runs.items():
            window: dict[str, Any] = {"day_types": day_types, "start": f"{first:02d}:00", "end": f"{last:02d}:00"}
            found.setdefault(period, []).append(window if len(months) == 12 else {**window, "months": months})
    return found


def _is_schedule(table: object) -> bool:
    if not isinstance(table, Sequence) or isinstance(table, str) or len(table) != 12:
        return False
    return all(_is_row(row, 24) for row in table)


def _is_row(row: object, length: int) -> bool:
    """True for that many period numbers, counted from 0."""
    return (
        isinstance(row, Sequence)
        and not isinstance(row, str)
        and len(row) == length
        # True and False are integers to Python, and no period numbers.
        and all(isinstance(period, int) and not isinstance(period, bool) and period >= 0 for period in row)
    )


def _number(value: Any, what: str, file: str) -> Decimal:
    try:
        # By its digits: Decimal of the float itself would hold 0.1000000000000000055.
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise _bad(file, f"{what}: expected a number, got {value!r}") from error
    # Decimal reads "NaN" and "Infinity" as numbers; neither is a price.
    if not number.is_finite() or isinstance(value, bool):
        raise _bad(file, f"{what}: expected a number, got {value!r}")
    return number


def _bad(file: str, message: str, *, reason: str = "incomplete_tariff") -> BadInput:
    return BadInput(f"URDB rate: {message}", file=file, reason=reason)
