"""I05: the site draws and feeds in no more than its contract and the network operator allow, whatever the plan says."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block, is_known, is_young
from data_quality.contracts.control.command import Command


def check_connection_limit(command: Command, live: Live, limits: DeviceLimits) -> Verdict:
    """Block what would draw or feed in above a limit in the worst case, where the safe default would do so less.

    So a device that stands at its set-point is put back as soon as the limit is below what the site draws. With a
    meter at the grid its value must be fresh. Without one the command is held to what it alone would draw: what else
    runs nobody tells, and to refuse everything would make every declared limit a ban.
    """
    power, home = limits.power_kw(command.value, live.own_kw), limits.power_kw(limits.safe_default, live.own_kw)
    ceiling = import_ceiling_kw(live, limits)
    if power is None or home is None or (ceiling is None and limits.export_max_kw is None) or power == home:
        return ALLOW
    grid_kw, own_least, own_most = 0.0, 0.0, 0.0
    if limits.has_grid_meter:
        if live.grid_kw is None or not is_known(live.grid_kw) or not is_young(live.grid_age_s, limits.max_meter_age_s):
            return block("I05", "the power at the grid is not known", grid_age_s=live.grid_age_s)
        grid_kw = live.grid_kw
        own_least, own_most = (live.own_kw, live.own_kw) if live.own_kw is not None else limits.span_kw()
    drawn, fed = grid_kw + power[1] - own_least, -(grid_kw + power[0] - own_most)
    for way, found, most, is_worse in (
        ("draw", drawn, ceiling, power[1] > home[1]),
        ("feed in", fed, limits.export_max_kw, power[0] < home[0]),
    ):
        if most is not None and is_worse and not found <= most:
            return block(
                "I05",
                f"the site would {way} {found:.2f} kW; at most {most:g} kW are allowed",
                grid_kw=grid_kw if limits.has_grid_meter else None,
                own_kw=live.own_kw,
                predicted_kw=found,
                allowed_kw=most,
                dso_limit_kw=live.dso_limit_kw,
            )
    return ALLOW


def import_ceiling_kw(live: Live, limits: DeviceLimits) -> float | None:
    """The lower one of contract and network operator; without word from the operator, the failsafe value holds."""
    known = [limits.import_max_kw]
    if limits.dso_failsafe_kw is not None:
        # Word that says "no limit" is word too; it must be as young as one that names a figure.
        is_told = is_young(live.dso_age_s, limits.max_dso_age_s)
        told = live.dso_limit_kw
        known.append(limits.dso_failsafe_kw if not is_told or (told is not None and not is_known(told)) else told)
    return min((each for each in known if each is not None), default=None)
