"""Acts of people on the plan and on the car, and who acts, as boards and device pages offer them."""

from controls.ledger.device_holds import open_holds
from controls.ledger.modes import current_mode
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.control.command import Mode
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Text
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import clock_of, local_day, zone
from orchestration.views.control_stamp import control_stamp
from orchestration.views.device_list import Devices
from orchestration.views.site_control import scopes
from orchestration.web.boards.site_now import SiteNow
from orchestration.web.request_context import Context
from orchestration.web.web_call import signer_of
from reports.pages.device_acts import Actor, manual_acts
from reports.pages.devices import override_text
from reports.pages.page import Act
from reports.pages.pause_acts import PauseNow
from reports.texts.locales import moment


def car_acts(ctx: Context, site: Site, device_id: str) -> tuple[tuple[Act, ...], Text]:
    """Charge the car now or back to plan, and what a person has set; nothing to whom does not see commands."""
    # Without a people file that can be read nobody acts, and the board is shown all the same.
    if not may(ctx.person, Permission.DISPATCH_READ) or not ctx.project.names:
        return (), ""
    found = Devices(ctx.project, site, ctx.now_utc, ctx.address.locale)
    device = found.device(device_id)
    message = "" if device.override is None else override_text(device.override, ctx.address.locale)
    address = ctx.address.model_copy(update={"site": site.site_id})
    return manual_acts(device, found.mode, actor_of(ctx, site, device_id), address, place="home"), message


def actor_of(ctx: Context, site: Site, device_id: str = "") -> Actor:
    """Person who looks, and their rights there."""
    people = ctx.project.people.people
    others = [each for each in people if Role.ENGINEER in each.roles and each.person_id != ctx.person.person_id]
    return Actor(
        **dict(signer_of(ctx)),
        may_stop=may(ctx.person, Permission.DISPATCH_STOP),
        may_override=may(ctx.person, Permission.DISPATCH_OVERRIDE),
        may_mode=may(ctx.person, Permission.DISPATCH_MODE),
        is_alone=not others,
        seen=control_stamp(ctx.project.store, site.site_id, device_id),
    )


def pause_now(now: SiteNow, place: str = "") -> PauseNow:
    """Pause of the plan that holds, and who looks; nothing to who sees no commands, nor of the past."""
    ctx, site, at_utc = now.show.ctx, now.site, now.show.ctx.now_utc
    if ctx.address.as_of_utc is not None or not may(ctx.person, Permission.DISPATCH_READ) or not ctx.project.names:
        return PauseNow()
    store, local = ctx.project.store, zone(site.time_zone)
    held = next(
        (each for each in open_holds(store, site.site_id, at_utc) if not each.device_id and each.until_utc), None
    )
    mode = current_mode(store, site.site_id, now_utc=at_utc)
    names = {each.asset_id: each.name or each.asset_id for each in site.assets}
    found = PauseNow(
        devices=tuple(dict.fromkeys(names.get(device_id, device_id) for device_id, _ in scopes(site))),
        mode=mode.name, is_sent=mode >= Mode.PARTIAL, actor=actor_of(ctx, site), place=place,
    )  # fmt: skip
    if held is None or held.until_utc is None:
        return found
    until, who = held.until_utc.astimezone(local), held.person_id or ""
    is_today = until.date() == local_day(at_utc, site.time_zone)
    told = clock_of(until) if is_today else moment(until, ctx.address.locale)
    return found.model_copy(update={"until": told, "who": ctx.project.names.get(who, who), "reason": held.reason})
