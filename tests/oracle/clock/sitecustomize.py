"""Set the project's clock in this process and all that it starts, by ORACLE_CLOCK.

`+SECONDS` moves it by so much and lets it run; an instant (ISO 8601) lets it stand still. Python imports a module of
this name by itself where its folder is on PYTHONPATH; the checkout stands before it there.
"""

import os

if "ORACLE_CLOCK" in os.environ:
    from datetime import UTC, datetime, timedelta

    from data_quality.contracts.time import SystemClock

    given = os.environ["ORACLE_CLOCK"]
    if given[0] in "+-":
        shift = timedelta(seconds=float(given))
        SystemClock.now_utc = lambda self: datetime.now(UTC) + shift  # type: ignore[method-assign]
    else:
        instant = datetime.fromisoformat(given)
        SystemClock.now_utc = lambda self: instant  # type: ignore[method-assign]
