"""Reach of a market's day-ahead prices against when they should have been published; pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from data_quality.contracts.finding import Finding

# Europe's coupled market closes at noon and tells its prices before one, late ones by three; its days are Berlin's.
MARKET_ZONE, PUBLISHED_BY_HOUR = ZoneInfo("Europe/Berlin"), 15


def staleness(until_utc: datetime, now_utc: datetime) -> tuple[Finding, ...]:
    """Fault in the age of prices: none for now any more, or none for tomorrow when they should be published."""
    if until_utc <= now_utc:
        message = f"prices end at {until_utc:%Y-%m-%d %H:%MZ}: none is known for now"
        return (Finding(code="prices_stale", message=message, severity="blocking"),)
    local = now_utc.astimezone(MARKET_ZONE)
    if local.hour >= PUBLISHED_BY_HOUR and until_utc < market_midnight(local, days=2):
        message = f"prices end at {until_utc:%Y-%m-%d %H:%MZ}: those of tomorrow are late"
        return (Finding(code="prices_late", message=message, severity="warning"),)
    return ()


def market_midnight(local: datetime, *, days: int) -> datetime:
    """The midnight of the market so many days after that of a local instant, in UTC."""
    day = local.date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=MARKET_ZONE).astimezone(UTC)
