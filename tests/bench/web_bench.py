"""What answers of the reading API and the energy page cost: `python -m tests.bench.web_bench [PROJECT]`.

Fifty users with half a second between questions over one process, as people come: p95 of answers that are kept, and of
answers made of marts in memory; and the CPU of one answer, which another's load does not change.
"""

import asyncio
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from starlette.requests import Request

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from orchestration.web.cache import answers_of
from tests.reports import plant
from tests.web.asking import send
from tests.web.marts_world import VERA, make_project, plant_of_the_web

USERS, PAUSE_S, QUESTIONS = 50, 0.5, 6
PATHS = (
    "/api/v1/ems/kpis?site={site}&range={month}&scope={scope}",
    "/api/v1/ems/series?site={site}&range={month}&scope={scope}&grain=hour",
    "/api/v1/ems/analytics/consumption?site={site}&range={month}&scope={scope}&granularity=day",
    "/energy?site={site}&period={month}&scope={scope}&grain=day&compare=previous",
    "/energy?site={site}&period={month}&scope={scope}&grain=hour",
)


def targets(project: OpenProject) -> list[str]:
    """Questions of every month with readings."""
    found = []
    for site_id in project.sites:
        span = project.lake.span(site_id)
        first = (span[1] if span else plant.NOON.date()).replace(day=1)
        months = [f"{first.year - (first.month <= back)}-{(first.month - 1 - back) % 12 + 1:02d}" for back in range(3)]
        found += [
            path.format(site=site_id, month=month, scope=f"site:{site_id}") for month in months[1:] for path in PATHS
        ]
    return found


async def users(app: object, paths: list[str], *, count: int = USERS) -> list[float]:
    """Seconds of every answer."""
    taken: list[float] = []

    async def user(number: int) -> None:
        await asyncio.sleep(PAUSE_S * number / count)
        for place in range(QUESTIONS):
            started = time.perf_counter()
            answer = await send(app, "GET", paths[(number + place * 7) % len(paths)])  # type: ignore[arg-type]
            taken.append(time.perf_counter() - started)
            if answer.status not in (200, 422):
                raise RuntimeError(answer.text[:300])
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(user(number) for number in range(count)))
    return taken


def bench(root: str = "") -> None:
    """Print a line a figure."""
    folder = tempfile.TemporaryDirectory(prefix="web-bench-")
    project = OpenProject(root) if root else make_project(Path(folder.name) / "p", plant_of_the_web())

    def signed_in(_: Request) -> tuple[Person, str]:
        return VERA, "token"

    assert VERA.roles == (Role.VIEWER,)
    app = make_app(project, clock=FixedClock(datetime.now(UTC)), signed_in=signed_in)
    kept, paths = answers_of(str(project.project.root)), targets(project)
    lines = []
    # Twice: what is imported late and read first is no part of an answer.
    for _ in range(2):
        for path in paths:
            asyncio.run(send(app, "GET", path))
    for number, path in enumerate(PATHS):
        costs = []
        for each in paths[number :: len(PATHS)]:
            kept.forget()
            started = time.process_time()
            asyncio.run(send(app, "GET", each))
            costs.append((time.process_time() - started) * 1000)
        lines.append(f"made of marts, CPU ms an answer: {median(costs):7.1f}  {path.partition('&')[0]} … {path[-12:]}")
    started = time.process_time()
    for path in paths:
        asyncio.run(send(app, "GET", path))
    asked = (time.process_time() - started) * 1000 / len(paths)
    lines.append(f"kept,          CPU ms an answer: {asked:7.1f}")
    every = asyncio.run(users(app, paths))
    lines.append(f"{USERS} users, kept answers: p95 {quantiles(every, n=20)[-1]:.3f} s, median {median(every):.3f} s")
    kept.most_bytes = 0
    kept.forget()
    made = asyncio.run(users(app, paths))
    lines.append(f"{USERS} users, made of marts: p95 {quantiles(made, n=20)[-1]:.3f} s, median {median(made):.3f} s")
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    sys.stdout.write("\n".join(["web", *lines, f"load {load} on {os.cpu_count()} cores", ""]))
    project.close()
    folder.cleanup()


if __name__ == "__main__":
    bench(*sys.argv[1:2])
