"""What a person may do with the car from a board, and whoever acts on devices."""

from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Text
from data_quality.contracts.site_file.site import Site
from orchestration.views.control_stamp import control_stamp
from orchestration.views.device_list import Devices
from orchestration.web.request_context import Ask
from orchestration.web.web_call import has_keys
from reports.pages.device_acts import Actor
from reports.pages.devices import override_told
from reports.pages.hand_acts import hand_acts
from reports.pages.page import Act


def car_acts(ask: Ask, site: Site, device_id: str) -> tuple[tuple[Act, ...], Text]:
    """Charge the car now or back to plan, and what a person has set; nothing to whom does not see commands."""
    # Without a people file that can be read nobody acts, and the board is shown all the same.
    if not may(ask.person, Permission.DISPATCH_READ) or not ask.project.names:
        return (), ""
    found = Devices(ask.project, site, ask.now_utc, ask.address.locale)
    device = next(each for each in found.listed if each.device_id == device_id)
    told = "" if device.override is None else override_told(device.override, ask.address.locale)
    address = ask.address.model_copy(update={"site": site.site_id})
    return hand_acts(device, found.mode, actor_of(ask, site, device_id), address, place="home"), told


def actor_of(ask: Ask, site: Site, device_id: str = "") -> Actor:
    """Whoever looks, and what they may do there."""
    people = ask.project.people.people
    others = [each for each in people if Role.ENGINEER in each.roles and each.person_id != ask.person.person_id]
    return Actor(
        person_id=ask.person.person_id,
        may_stop=may(ask.person, Permission.DISPATCH_STOP),
        may_override=may(ask.person, Permission.DISPATCH_OVERRIDE),
        may_mode=may(ask.person, Permission.DISPATCH_MODE),
        needs_key=has_keys(ask.project.people),
        public_key=ask.project.people.public_keys.get(ask.person.person_id, ""),
        is_alone=not others,
        seen=control_stamp(ask.project.store, site.site_id, device_id),
    )
