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
    if power is None or home is None:
        return ALLOW
    ceiling, most_fed = import_ceiling_kw(live, limits, power[1]), export_ceiling_kw(live, limits)
    if (ceiling is None and most_fed is None) or power == home:
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
        ("feed in", fed, most_fed, power[0] < home[0]),
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
                signal_import_kw=live.signal_import_kw,
                signal_export_kw=live.signal_export_kw,
            )
    return ALLOW


def import_ceiling_kw(live: Live, limits: DeviceLimits, own_most_kw: float | None = None) -> float | None:
    """The lowest of contract, network operator and signals; without word from the operator, the failsafe value holds.

    own_most_kw: what the device would draw: up to its floor (EnWG 14a) only the contract counts.
    """
    floor_kw = limits.device_floor_kw
    if own_most_kw is not None and floor_kw is not None and own_most_kw <= floor_kw:
        return limits.import_max_kw
    known = [limits.import_max_kw, live.signal_import_kw]
    if limits.dso_failsafe_kw is not None:
        # Word that says "no limit" is word too; it must be as young as one that names a figure.
        dso_kw = live.dso_limit_kw
        has_signal = _is_heard(live, limits) and (dso_kw is None or is_known(dso_kw))
        known.append(dso_kw if has_signal else limits.dso_failsafe_kw)
    return _lowest(known)


def export_ceiling_kw(live: Live, limits: DeviceLimits) -> float | None:
    """The lowest of contract and signals of feeding in; without word from the operator, the failsafe value too."""
    failsafe_kw = None if _is_heard(live, limits) else limits.export_failsafe_kw
    return _lowest([limits.export_max_kw, live.signal_export_kw, failsafe_kw])


def _is_heard(live: Live, limits: DeviceLimits) -> bool:
    return is_young(live.dso_age_s, limits.max_dso_age_s)


def _lowest(known: list[float | None]) -> float | None:
    # A ceiling that is no number is none that anybody may exceed.
    return min((each if is_known(each) else 0.0 for each in known if each is not None), default=None)
