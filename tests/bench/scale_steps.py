"""One process of the bench of scale: python -m tests.bench.scale_steps fit|monitor|forecast PROJECT.

These have no command of their own without marts beside them; ingest, quality, kpis and report go by `meterloom`.
"""

import json
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from data_quality.contracts.time import FixedClock
from orchestration.resources import ProjectResource
from tests.bench.scale_world import SITE


def fit(project: ProjectResource, clock: FixedClock) -> int:
    """Every use's energy baseline, fitted and registered. Returns how many."""
    from ml.baselines.lifecycle.fit_site import fit_site
    from ml.defs import tracker_of

    report = fit_site(
        project.site(SITE), lake=project.lake, store=project.baselines, tracker=tracker_of(project), clock=clock,
        fitted_by="bench",
    )  # fmt: skip
    return len(report.fitted)


def monitor(project: ProjectResource, clock: FixedClock) -> int:
    """Every use's monitoring baseline. Returns how many."""
    from ml.baselines.lifecycle.monitor_site import refit_site
    from ml.defs import tracker_of

    report = refit_site(
        project.site(SITE), lake=project.lake, store=project.baselines, tracker=tracker_of(project), clock=clock,
        fitted_by="bench",
    )  # fmt: skip
    return len(report.fitted)


def expected(project: ProjectResource, _clock: FixedClock) -> int:
    """Expected energy of the baselines on every day. Returns the number of rows."""
    from ml.baselines.lifecycle.fit_site import expected_of_site

    return int(expected_of_site(project.site(SITE), lake=project.lake, store=project.baselines).height)


def forecast(project: ProjectResource, clock: FixedClock) -> int:
    """The forecast targets trained and issued. Returns how many."""
    from ml.defs import tracker_of
    from ml.forecasts.site_forecast import forecast_site, train_site

    given = {
        "lake": project.lake, "store": project.forecasts, "tracker": tracker_of(project), "clock": clock,
        "weather": project.weather,
    }  # fmt: skip
    train_site(project.site(SITE), **given, backtest_days=7, folds=1)  # type: ignore[arg-type]
    return len(forecast_site(project.site(SITE), **given).forecasts)  # type: ignore[arg-type]


STEPS: dict[str, Callable[[ProjectResource, FixedClock], int]] = {
    work.__name__: work for work in (fit, monitor, expected, forecast)
}


def main() -> int:
    """Do the step as if the site's readings had ended just now; print what came of it."""
    warnings.simplefilter("ignore")
    project = ProjectResource(root=sys.argv[2])
    span = project.lake.span(SITE)
    if span is None:
        raise SystemExit("nothing is ingested")
    ended = datetime.combine(span[1] + timedelta(days=1), time(0, 30), tzinfo=UTC)
    sys.stdout.write(json.dumps({"made": STEPS[sys.argv[1]](project, FixedClock(ended))}) + "\n")
    project.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
