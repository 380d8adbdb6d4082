"""The main job on the demo sites: from simulated meter files to a report with traces and a proven command."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from shutil import copyfile
from time import perf_counter
from typing import Any

from assets.sites.load_sites import load_people
from assets.stores.file_hashes import landing_files
from controls.simulator.simulated_files import write_site
from controls.simulator.worlds.anchor import ANCHOR, anchored
from controls.simulator.worlds.lapses import left_running
from controls.simulator.worlds.tower_files import Delivery, write_delivery
from data_quality.contracts.baselines.baseline import BaselineStatus
from data_quality.contracts.people import Role
from data_quality.contracts.settings import SETTINGS_FILE
from data_quality.contracts.time import Clock, local_midnight_utc, months_after
from orchestration.demonstration.demo_bills import BILLED, store_bills
from orchestration.demonstration.demo_dates import factory_span, last_quarters, months_with_faults, tower_span
from orchestration.demonstration.demo_dispatch import dispatch_live, sign_demo
from orchestration.demonstration.demo_tower import (
    TOWER,
    ingest_files,
    quarantined_files,
    report,
    second_wave,
    tower_files,
    trace_three,
)
from orchestration.month_keys import month_ranges, site_month_key, site_quarter_key
from orchestration.resources import ProjectResource
from orchestration.runner import Runner, open_runner
from orchestration.sensors.lake_changes import touched_months
from orchestration.supervised.deliveries import deliver_home, deliver_plant
from orchestration.views.registry_view import show_in_registry
from orchestration.warehouse.fresh import stale_partitions
from reports.evidence.people_keys import give_keys

Say = Callable[[str], None]
DEMO_SITES = Path(__file__).resolve().parents[2] / "assets" / "sites" / "demo"
# What a site of later dates has besides.
LIVE_SOURCES = DEMO_SITES / "live"
STARTER = Path(__file__).resolve().parents[1] / "starter"
# A forecast needs four weeks; what is more is held out in turn by its backtest.
HOME_HISTORY_DAYS = 70
QUICK_HISTORY_DAYS = 40
# Twelve whole calendar months on whatever day: what a what-if needs.
YEAR_HISTORY_DAYS = 400


class Steps:
    """Numbered progress lines with the seconds that each step took."""

    def __init__(self, say: Say, total: int) -> None:
        self._say, self._total, self._number = say, total, 0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """One step: said when it begins, timed when it ends."""
        self._number += 1
        self._say(f"[{self._number}/{self._total}] {text} …")
        started = perf_counter()
        yield
        self.seconds[text] = perf_counter() - started
        self._say(f"[{self._number}/{self._total}] {text}: {self.seconds[text]:.1f} s")


# Everything else that is shipped for the demo is a site.
_OF_THE_PROJECT = ("people.yaml", "organisation.yaml")


def make_demo_project(folder: Path, *, until: date) -> ProjectResource:
    """A project folder with the demo's sites and people; what is there already stays. until: day after the data."""
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    if not (folder / SETTINGS_FILE).exists():
        copyfile(STARTER / SETTINGS_FILE, folder / SETTINGS_FILE)
    for source in sorted(DEMO_SITES.glob("*.yaml")):
        target = folder / source.name if source.name in _OF_THE_PROJECT else folder / "sites" / source.name
        if not target.exists():
            text = site_text(source, until).replace("TOWER_FROM", tower_span(until, quick=False)[0].isoformat())
            target.write_text(text, encoding="utf-8")
    project = ProjectResource(root=str(folder))
    # Everybody of the demo signs, so that its approvals and reports can be checked like real ones.
    give_keys(project.project.people_file, project.people, project.project.keys_dir)
    return project


def site_text(source: Path, until: date) -> str:
    """A shipped file of the demo, dated. At ANCHOR it has none of the live sources of LIVE_SOURCES."""
    text, live = anchored(source.read_text(encoding="utf-8"), until), LIVE_SOURCES / source.name
    return text if until == ANCHOR or not live.exists() else text + live.read_text(encoding="utf-8")


def run_demo(
    folder: Path, *, until: date, say: Say, clock: Clock, quick: bool = False, year: bool = False,
    full: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Run the whole line. until: day after the data; the home's go up to now, for its devices are live. year: of it;
    full: all packs of data points.

    Returns `artifacts[] {kind, path}`, `runs[]`, `figures[]`, `commands[]`, `late` (second_wave), `quarantine[]`,
    `event` (demand_response), `workflows` (run_workflows), `advice` (run_advice), `packs` (run_disclosure).
    """
    from orchestration.demonstration.demo_workflows import demand_response, run_advice, run_disclosure, run_workflows

    project = make_demo_project(folder, until=until)
    steps = Steps(say, 16)
    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        with steps.step("simulate factory, home and tower into the landing folder (synthetic, flagged so)"):
            delivery = simulate(project, clock, until=until, quick=quick, year=year)
        with steps.step("read the landing folder into the lake"):
            ingest(project, runner)
        with steps.step("check the readings and build the KPI marts"):
            runner.build_marts(month_ranges(touched_months(project, after_id=0)[0]))
        with steps.step("fit and register the factory's baselines; Anna approves them"):
            fit_and_approve(project, runner, clock)
        with steps.step("hold six supplier's bills of the factory (synthetic) against its readings"):
            store_bills(project, clock, until=until)
            runner.run("bill_audit", partition=BILLED)
        with steps.step("backtest, register and issue forecasts"):
            for site_id in ("factory", "home"):
                runner.run("forecast", partition=site_id)
        with steps.step("write the quarterly EnPI reports"):
            quarters = last_quarters(until)
            report(runner, quarters[-1])
            for first_day in quarters[-1:] if quick else quarters:
                runner.run("enpi_report", partition=site_quarter_key("factory", first_day))
        with steps.step("start broker, simulated home and agent; plan, release, and wait for the proof"):
            commands = dispatch_live(project, runner, clock, say)
        with steps.step("trace three figures of the last report back to their readings"):
            traced = trace_three(project)
        with steps.step("let the tower's late, corrected and re-sent files arrive, and run their months again"):
            late = second_wave(project, runner, delivery, say, quarter=quarters[-1])
        with steps.step("look for anomalies at factory and tower"):
            find_anomalies(runner, until=until)
        with steps.step("an event of demand response at the tower, from its call to its settlement"):
            event = None if quick else demand_response(project, say, until=until, clock=clock)
        with steps.step("write the factory's digest and a task of its worst anomaly"):
            flows = run_workflows(project, clock, say, until=until)
        with steps.step("find savings at factory and tower; Anna accepts one"):
            advised = run_advice(project, clock, say, until=until)
        with steps.step(f"disclose the last full year, of {'all sites' if full else 'the factory'} and of the holding"):
            packs = run_disclosure(project, clock, say, until=until, full=full)
        with steps.step("read what factory and tower used today"):
            read_today(project, runner, clock, until=until)
        answer = summary(project, runner, traced, commands, steps)
        answer |= {"until": until.isoformat(), "late": late, "quarantine": quarantined_files(project), "event": event}
        answer |= {"workflows": flows, "advice": advised, "packs": packs}
        answer["pages_url"] = project.project.settings.server.web_url
    project.close()
    return answer


def simulate(project: ProjectResource, clock: Clock, *, until: date, quick: bool, year: bool = False) -> Delivery:
    """Landing files of the demo sites. Returns the tower's files: those that come late are not in the folder yet."""
    start, end = factory_span(until)
    factory, lapses = project.site("factory"), left_running("factory", until)
    folder, faulty = project.project.landing_dir / "factory", months_with_faults(until)
    write_site(folder, factory, start=start, end=end, lapses=lapses, faulty=faulty)
    days = YEAR_HISTORY_DAYS if year else QUICK_HISTORY_DAYS if quick else HOME_HISTORY_DAYS
    deliver_home(project.project, project.site("home"), now_utc=clock.now_utc(), days=days)
    delivery = tower_files(project, until=until, quick=quick)
    write_delivery(project.project.landing_dir / "tower", delivery.in_time())
    return delivery


def ingest(project: ProjectResource, runner: Runner) -> None:
    """One ingestion run a site, with every file that waits in its landing folder."""
    for site_id in sorted(project.sites):
        ingest_files(runner, site_id, landing_files(project.project.landing_dir / site_id))


def find_anomalies(runner: Runner, *, until: date) -> None:
    """The electricity meters of the last two months that are over, with energy and cost of what was unusual."""
    running = until.replace(day=1)
    for site_id in ("factory", "tower"):
        first, last = (site_month_key(site_id, months_after(running, -months)) for months in (2, 1))
        runner.run("anomalies", partition_range=(first, last))


def read_today(project: ProjectResource, runner: Runner, clock: Clock, *, until: date) -> None:
    """The factory's readings from `until` to now, against the forecast that was issued before: its day has begun; and
    the tower's of the running month, whole files of which come when it is over.
    """
    now_utc, site, tower = clock.now_utc(), project.site("factory"), project.site(TOWER)
    # Data that end long ago end there.
    if now_utc - local_midnight_utc(until, site.time_zone) < timedelta(days=2):
        ingest_files(runner, site.site_id, deliver_plant(project.project, site, now_utc=now_utc))
        folder, end = project.project.landing_dir / TOWER, until + timedelta(days=2)
        ingest_files(runner, TOWER, write_site(folder, tower, start=until.replace(day=1), end=end, until_utc=now_utc))
        for job, months in stale_partitions(project).items():
            runner.build_marts(month_ranges(months), job=job)
        # As the night does it: its limits are what `meterloom up` judges live values by.
        runner.run("anomalies", partition=site_month_key(site.site_id, until.replace(day=1)))


def fit_and_approve(project: ProjectResource, runner: Runner, clock: Clock) -> None:
    """Ben fits, Anna approves: two people, as the rule asks. The measure of the factory has a baseline of its own."""
    from ml.baselines.savings.project_baseline import fit_project
    from ml.defs import tracker_of

    runner.run("baseline", partition="factory", config={"core_seu__baseline": {"config": {"fitted_by": "ben"}}})
    runner.build_marts(month_ranges(project.stage("enpi").stale()), job="enpi")
    site = project.site("factory")
    for each in site.projects:
        # A measure is proven against its own baseline, never against the one of the EnPI.
        fit_project(
            site,
            each,
            lake=project.lake,
            store=project.baselines,
            tracker=tracker_of(project),
            clock=clock,
            fitted_by="ben",
        )
    anna = load_people(project.project.people_file).acting("anna", Role.APPROVER)
    for version in project.baselines.versions("factory"):
        if version.status is BaselineStatus.PROVISIONAL:
            blocking = [finding.code for finding in version.baseline.findings if finding.is_blocking]
            if not blocking:
                reason = "Demo: the statistics were looked at"
                with project.store.together():
                    project.baselines.approve(version.baseline_id, version.version, anna, reason, {}, clock)
                    subject, facts = f"{version.baseline_id}@{version.version}", {"reason": reason}
                    sign_demo(project, anna, kind="baseline approve", subject=subject, facts=facts, clock=clock)
                show_in_registry(project, version.baseline_id)


def summary(
    project: ProjectResource,
    runner: Runner,
    traced: list[dict[str, Any]],
    commands: list[dict[str, Any]],
    steps: Steps,
) -> dict[str, Any]:
    """Artifacts with their paths, runs, figures and commands of the demo."""
    artifacts = [
        {"kind": path.suffix.lstrip("."), "path": str(path)}
        for name in ("enpi_quarter_*", "dr_event_*")
        for path in sorted(project.project.reports_dir.glob(name))
    ]
    plan = project.plans.latest("home")
    if plan is not None:
        path = project.project.reports_dir / f"plan_{plan.plan_id}.json"
        path.write_text(plan.model_dump_json(indent=1), encoding="utf-8")
        artifacts.append({"kind": "plan", "path": str(path)})
    return {
        "artifacts": artifacts,
        "runs": [
            {"job": o.job, "run_id": o.run_id, "partition": o.partition, "seconds": o.seconds} for o in runner.outcomes
        ],
        "figures": traced,
        "commands": commands,
        "seconds": steps.seconds,
    }
