"""Meter files of the simulated sites while everything is up, as a real meter operator would send them."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

from controls.simulator.simulated_files import write_site
from controls.simulator.worlds.file_faults import portal_file
from controls.simulator.worlds.generate import WORLDS
from data_quality.contracts.settings import Project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, months_after


def has_devices(site: Site) -> bool:
    """True where a device of the site can be reached: one of its assets names a control template."""
    return any(asset.template for asset in site.assets)


def deliver_home(project: Project, site: Site, *, now_utc: datetime, days: int) -> None:
    """The simulated home's meter files up to now, with tomorrow's prices."""
    today = _today(site, now_utc)
    folder = project.landing_dir / site.site_id
    write_site(folder, site, start=today - timedelta(days=days), end=today + timedelta(days=1), until_utc=now_utc)


def deliver_plant(project: Project, site: Site, *, now_utc: datetime) -> list[Path]:
    """The simulated plant's files of the running month and the one before up to now, from the month on that its files
    reach. Returns their paths; a world that ended long ago stays as it was made.

    Live meters tell energy and no drivers, and nothing of the hours before they were started. Faults that the demo gave
    a month stay; months after it have none.
    """
    today, folder = _today(site, now_utc), project.landing_dir / site.site_id
    months = (months_after(today.replace(day=1), -1), today.replace(day=1))
    held = [each for each in months if (folder / f"{site.site_id}_{each:%Y-%m}_meters.csv").exists()]
    if not held:
        return []
    faulty = [each for each in held if portal_file(folder, site.site_id, each).exists()]
    end = today + timedelta(days=1)
    return write_site(folder, site, start=held[0], end=end, until_utc=now_utc, faulty=faulty)


def deliver(project: Project, sites: Iterable[Site], *, now_utc: datetime, delivered: dict[str, date]) -> None:
    """Send the files that are due: of homes every time, of other sites once a local day. delivered: their last days,
    kept up here.
    """
    for site in sites:
        if not site.is_simulated:
            continue
        if has_devices(site):
            deliver_home(project, site, now_utc=now_utc, days=2)
        elif site.site_id in WORLDS and delivered.get(site.site_id) != (today := _today(site, now_utc)):
            deliver_plant(project, site, now_utc=now_utc)
            delivered[site.site_id] = today


def _today(site: Site, now_utc: datetime) -> date:
    return local_day(now_utc, site.time_zone)
