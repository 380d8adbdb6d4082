"""Cost of answers of the reading API and the energy page: `python -m tests.bench.web_bench [PROJECT]`.

Fifty users with half a second between questions over one process, as people come: p95 of answers that are kept, of
API answers that are each asked for the first time, and, as no server runs, of API answers of which none is ever kept;
and the CPU of one answer, which another's load does not change. The start's CPU stands beside that of the libraries
which the application is made of, in processes of their own.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from starlette.requests import Request

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock, months_after
from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from orchestration.web.cache import answers_of
from tests.reports import plant
from tests.web.asking import send
from tests.web.marts_world import VERA, make_project, plant_of_the_web

USERS, PAUSE_S, QUESTIONS = 50, 0.5, 6
API = (
    "/api/v1/ems/kpis?site={site}&range={month}&scope={scope}",
    "/api/v1/ems/series?site={site}&range={month}&scope={scope}&grain=hour",
    "/api/v1/ems/analytics/consumption?site={site}&range={month}&scope={scope}&granularity=day",
)
PAGES = (
    "/energy?site={site}&period={month}&scope={scope}&grain=day&compare=previous",
    "/energy?site={site}&period={month}&scope={scope}&grain=hour",
)


GZIP = [("accept-encoding", "gzip")]
OURS, THEIRS = "orchestration.web.app", "fastapi, uvicorn, jinja2, sqlalchemy, polars"


def targets(project: OpenProject, of: tuple[str, ...], months_back: int = 2) -> list[str]:
    """Questions of the last whole months with readings, of every site."""
    found = []
    for site_id in project.sites:
        span = project.lake.span(site_id)
        first = (span[1] if span else plant.NOON.date()).replace(day=1)
        for back in range(1, months_back + 1):
            month = f"{months_after(first, -back):%Y-%m}"
            found += [path.format(site=site_id, month=month, scope=f"site:{site_id}") for path in of]
    return found


async def users(app: object, paths: list[str], *, count: int = USERS) -> list[float]:
    """Seconds of every answer."""
    taken: list[float] = []

    async def user(number: int) -> None:
        await asyncio.sleep(PAUSE_S * number / count)
        for place in range(QUESTIONS):
            started = time.perf_counter()
            path = paths[(number * QUESTIONS + place) % len(paths)]
            # Each from an address of its own: of one address few questions are answered at once.
            answer = await send(app, "GET", path, GZIP, address=f"192.0.2.{number}")  # type: ignore[arg-type]
            taken.append(time.perf_counter() - started)
            if answer.status not in (200, 422):
                raise RuntimeError(answer.text[:300])
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(user(number) for number in range(count)))
    return taken


def import_cpu_s(modules: str, *, times: int = 5) -> float:
    """Seconds of the processor until a new process has imported the modules, the median of some runs."""
    code = f"import time, {modules}; print(time.process_time())"
    runs = (subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(times))
    return median(float(each.stdout) for each in runs)


def bench(root: str = "") -> None:
    """Print a line a figure."""
    folder = tempfile.TemporaryDirectory(prefix="web-bench-")
    project = OpenProject(root) if root else make_project(Path(folder.name) / "p", plant_of_the_web())

    def signed_in(_: Request) -> tuple[Person, str]:
        return VERA, "token"

    assert VERA.roles == (Role.VIEWER,)
    application = partial(make_app, project, clock=FixedClock(datetime.now(UTC)), signed_in=signed_in)
    app = application()
    ours, theirs = import_cpu_s(OURS), import_cpu_s(THEIRS)
    start = f"import of the application, CPU: {ours:.2f} s, {ours / theirs:.1f} times that of its libraries alone"
    kept, lines = answers_of(project), [start]

    def cost_ms(path: str) -> float:
        started = time.process_time()
        asyncio.run(send(app, "GET", path, GZIP))
        return (time.process_time() - started) * 1000

    def of_users(what: str, paths: list[str]) -> str:
        # An application of their own: how many questions a person may ask is counted by each.
        seconds = asyncio.run(users(application(), paths))
        return f"{USERS} users, {what}: p95 {quantiles(seconds, n=20)[-1]:.3f} s, median {median(seconds):.3f} s"

    for name, of in (("API", API), ("page", PAGES)):
        paths = targets(project, of)
        # Twice: what is imported late and read first is no part of an answer.
        for path in paths * 2:
            cost_ms(path)
        for number, path in enumerate(of):
            costs = []
            for each in paths[number :: len(of)]:
                kept.forget()
                costs.append(cost_ms(each))
            lines.append(
                f"made of marts, CPU ms an answer: {median(costs):7.1f}  {path.partition('&')[0]} … {path[-12:]}"
            )
        for path in paths:
            cost_ms(path)
        lines.append(f"kept,          CPU ms an answer: {median(map(cost_ms, paths)):7.1f}  {name}")
        lines.append(of_users(f"{name}, kept answers", paths))
    kept.forget()
    every = targets(project, API, months_back=36)
    lines.append(of_users(f"API, {len(every)} questions, each made when it is first asked", every))
    kept.most_bytes = 0
    kept.forget()
    lines.append(of_users("API, no answer ever kept", targets(project, API)))
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    sys.stdout.write("\n".join(["web", *lines, f"load {load} on {os.cpu_count()} cores", ""]))
    project.close()
    folder.cleanup()


if __name__ == "__main__":
    bench(*sys.argv[1:2])
