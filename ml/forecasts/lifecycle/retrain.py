"""When a target is trained again: never trained, a week of new readings, or something drifted since. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from data_quality.contracts.control.forecast_score import ForecastDrift

RETRAIN_AFTER = timedelta(days=7)


def retrain_reasons(
    targets: Iterable[str],
    decisions: Iterable[Mapping[str, Any]],
    drifts: Iterable[ForecastDrift],
    *,
    known_until_utc: datetime,
) -> dict[str, str]:
    """Why each of these targets is to be trained again; those that are not are left out.

    decisions: rows of ForecastStore.promotions of the site, oldest first. known_until_utc: where the readings end: a
    site that gets none is not trained again on what it was trained on.
    """
    trained = {each["decision"].get("target"): each for each in decisions if each["decision"].get("trained_until_utc")}
    found = {}
    for target in targets:
        row = trained.get(target)
        if row is None:
            found[target] = "no model of it has been trained yet"
            continue
        until = datetime.fromisoformat(row["decision"]["trained_until_utc"])
        since = [each for each in drifts if each.target == target and each.seen_at_utc > row["recorded_at_utc"]]
        if since:
            messages = " ".join(finding.message for finding in since[-1].findings)
            found[target] = f"drift seen on {since[-1].local_day}: {messages}"
        elif known_until_utc - until >= RETRAIN_AFTER:
            found[target] = f"readings go on to {known_until_utc:%Y-%m-%d}, the newest model's end on {until:%Y-%m-%d}"
    return found
