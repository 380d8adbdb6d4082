"""Holiday of a site as its board shows it, and what the person may do about it."""

from controls.ledger.holidays import open_holiday
from controls.ledger.modes import current_mode
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import zone
from orchestration.operations.control.dispatch_holiday import kept_while_away
from orchestration.views.control_stamp import holiday_stamp
from orchestration.web.boards.site_now import SiteNow
from reports.pages.holiday_acts import HolidayNow
from reports.texts.locales import weekday_date


def holiday_now(now: SiteNow) -> HolidayNow:
    """The holiday that holds at the instant of the address, to who sees commands."""
    ask, site = now.show.ask, now.site
    if not may(ask.person, Permission.DISPATCH_READ):
        return HolidayNow()
    store, as_of_utc, at_utc = ask.project.store, ask.address.as_of_utc, now.show.as_of_utc
    found = open_holiday(store, site.site_id, at_utc, as_of_utc=as_of_utc)
    mode = current_mode(store, site.site_id, now_utc=at_utc, as_of_utc=as_of_utc)
    names = {each.asset_id: each.name or each.asset_id for each in site.assets}
    until = None if found is None else found.until_utc.astimezone(zone(site.time_zone))
    return HolidayNow(
        until="" if until is None else weekday_date(until, ask.address.locale),
        day="" if until is None else f"{until:%Y-%m-%d}", at="" if until is None else f"{until:%H:%M}",
        who="" if found is None else ask.project.names.get(found.person_id, found.person_id),
        reason="" if found is None else found.reason,
        kept=tuple((names[asset_id], said) for asset_id, said in kept_while_away(site).items()),
        mode=mode.name, is_sent=mode >= Mode.PARTIAL,
        may_act=as_of_utc is None and may(ask.person, Permission.DISPATCH_OVERRIDE),
        seen=holiday_stamp(store, site.site_id),
    )  # fmt: skip
