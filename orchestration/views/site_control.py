"""Control state of a site: how far its devices may be commanded, by which plan, and what stands in the way of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import floor
from typing import Any

from pydantic import ValidationError

from assets.stores.ledgers.plans import PlanStore
from assets.stores.schema.tables_control import device_leases
from assets.stores.transactions import Store, read_rows
from controls.ledger.device_faults import open_faults
from controls.ledger.device_holds import open_holds
from controls.ledger.device_lease import LEASE_S
from controls.ledger.modes import Modes, open_holiday, read_modes
from controls.ledger.two_people import open_requests
from controls.safety.limits import limits_of
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from reports.texts.locales import unit_text


def site_control(store: Store, site: Site, *, now_utc: datetime, as_of_utc: datetime | None = None) -> dict[str, Any]:
    """The standing of a site, keys as `dispatch status --json` has them. Raises Unreachable, BadInput (bad template).

    as_of_utc: modes, plan and holiday as known then; everything else is known of the present only, and null.
    """
    modes = read_modes(store, site.site_id, now_utc=now_utc, as_of_utc=as_of_utc)
    found: dict[str, Any] = {
        "mode": modes.of().name,
        "modes": [_mode(modes, "", ""), *(_mode(modes, *scope) for scope in scopes(site))],
        "plan": _plan(store, site, as_of_utc or now_utc, as_of_utc),
        "holiday": open_holiday(store, site.site_id, as_of_utc or now_utc, as_of_utc=as_of_utc),
    }
    if as_of_utc is not None:
        return found | dict.fromkeys(("faults", "holds", "requests", "lease"))
    return found | {
        "faults": open_faults(store, site.site_id),
        "holds": open_holds(store, site.site_id, now_utc),
        "requests": open_requests(store, site.site_id, now_utc),
        "lease": _lease(store, site.site_id, now_utc),
    }


def scopes(site: Site) -> list[tuple[str, str]]:
    """Every device of the site that takes set-points, with each capability."""
    return [(name, capability) for name, template in _devices(site) for capability in template.settable]


def without_ttl(site: Site, device_id: str = "") -> tuple[str, ...]:
    """Devices, all or this one, that do not end a set-point by themselves."""
    return tuple(name for name, each in _devices(site) if device_id in ("", name) and not each.has_device_ttl)


def expect_scope(site: Site, device_id: str, capability: str = "") -> None:
    """Raises BadInput where the site has no such device, or the device no such capability."""
    known = scopes(site)
    if device_id and device_id not in {name for name, _ in known}:
        names = ", ".join(dict.fromkeys(name for name, _ in known)) or "none"
        raise BadInput(f"{site.site_id} has no device {device_id!r} to command ({names})", reason="unknown_device")
    if capability and (device_id, capability) not in known:
        names = ", ".join(each for name, each in known if name == device_id) or "name its device"
        raise BadInput(f"{device_id or site.site_id} has no {capability!r} ({names})", reason="unknown_capability")


def expect_value(site: Site, device_id: str, capability: str, value: float) -> None:
    """Raises BadInput for a value that the device cannot be set to."""
    low, high, unit = value_range(site, device_id, capability)
    if not low <= value <= high:
        message = f"{device_id} takes {low:g} to {high:g} {unit_text(unit)}, not {value:g}"
        raise BadInput(message, reason="out_of_range")


def value_range(site: Site, device_id: str, capability: str) -> tuple[float, float, str]:
    """The least and the greatest value of a set-point of the site's device, and their unit."""
    asset = next(each for each in site.assets if each.asset_id == device_id)
    limits = limits_of(asset, load_template(asset.template), capability)
    return limits.min_value, limits.max_value, limits.unit


def manual_limit(site: Site, device_id: str, capability: str, mode: Mode) -> float:
    """The greatest value that a mode lets a person set, to what the device can be told; below PARTIAL that of PARTIAL.

    A device that ends no set-point by itself has it in every mode.
    """
    asset = next(each for each in site.assets if each.asset_id == device_id)
    template = load_template(asset.template)
    limits = limits_of(asset, template, capability)
    most = limits.max_value
    if mode < Mode.FULL or not template.has_device_ttl:
        most = min(most, limits.safe_default + limits.partial_share * limits.rating)
    scale = template.capabilities[capability].scale or 0.01
    # A little more, for what is a whole number of steps but for its last digit.
    return float(round(floor(most / scale + 1e-6) * scale, 6))


def lines(found: dict[str, Any]) -> list[str]:
    """Obstacles, for people, a line each."""
    text, holiday = list[str](), found["holiday"]
    if holiday is not None:
        text.append(f"holiday until {holiday.until_utc:%Y-%m-%d %H:%M}Z, by {holiday.person_id}: {holiday.reason}")
    if found["lease"] is None and found["faults"] is None:
        return [*text, f"mode {found['mode']}"]
    text += [_planned(found["plan"])] if found["plan"] else []
    text += [f"latched: {each.device_id or 'the whole site'}: {each.reason}" for each in found["faults"]]
    for each in found["holds"]:
        end = "until acknowledged by a person" if each.until_utc is None else f"until {each.until_utc:%Y-%m-%d %H:%M}Z"
        place = " ".join(filter(None, (each.device_id or "the whole site", each.capability)))
        text.append(f"held by hand: {place}, {end}: {each.reason}")
    for each in found["requests"]:
        place = " ".join(filter(None, (each.device_id or "the whole site", each.capability)))
        text.append(f"request {each.request_id}: FULL for {place} by {each.person_id}: {each.reason}")
    lease = found["lease"]
    if lease is None:
        text.append("no agent has run here")
    elif not lease["holder"]:
        text.append(f"no agent runs: the last one gave the lease back (epoch {lease['epoch']})")
    else:
        alive = f"last sign of life {lease['age_s']:.0f} s ago"
        state = "has no lease any more" if lease["is_over"] else "holds the lease"
        text.append(f"agent {lease['holder']} {state} (epoch {lease['epoch']}), {alive}")
    return [*text, f"mode {found['mode']}"]


def _planned(plan: dict[str, Any]) -> str:
    if plan["finding"] is not None:
        return str(plan["finding"].message)
    because = f", because {plan['asked_because']}" if plan["asked_because"] else ""
    made, until = f"{plan['created_at_utc']:%Y-%m-%d %H:%M}Z", f"{plan['sets_until_utc']:%Y-%m-%d %H:%M}Z"
    return f"plan {plan['version']} of {made}{because}, sets devices until {until}"


def _devices(site: Site) -> Iterator[tuple[str, Template]]:
    for asset in site.assets:
        if asset.template and (template := load_template(asset.template)).settable:
            yield asset.asset_id, template


def _mode(modes: Modes, device_id: str, capability: str) -> dict[str, Any]:
    chain = [modes.own(scope) for scope in (("", ""), (device_id, ""), (device_id, capability))]
    mode = modes.of(device_id, capability)
    # The nearest end among those that keep it as high as it is.
    ends = [each.until_utc for each in chain if each.until_utc is not None]
    return {
        "device": device_id or None, "capability": capability or None, "mode": mode.name,
        "until_utc": min(ends, default=None),
    }  # fmt: skip


def _plan(store: Store, site: Site, at_utc: datetime, as_of_utc: datetime | None) -> dict[str, Any] | None:
    # Only here: whoever stops devices waits for no solver to be loaded.
    from controls.planning.execution import commands_until, not_renewed

    try:
        plan = PlanStore(store).latest(site.site_id, as_of_utc)
    except (ValidationError, BadInput) as fault:
        # Who asks in an emergency is answered all the same.
        message = fault.message if isinstance(fault, BadInput) else "the newest plan in the store cannot be read"
        return {"plan_id": None, "finding": Finding(code="plan_unreadable", message=message, scope=site.site_id)}
    if plan is None:
        return None
    names = ("plan_id", "version", "created_at_utc", "asked_because")
    own = {name: getattr(plan, name) for name in names}
    return {**own, "sets_until_utc": commands_until(plan), "finding": not_renewed(plan, at_utc)}


def _lease(store: Store, site_id: str, now_utc: datetime) -> dict[str, Any] | None:
    rows = read_rows(store, device_leases.select().where(device_leases.c.site_id == site_id))
    if not rows:
        return None
    row = rows[0]
    # Renewed in a control cycle: as old as the agent's last cycle, give or take the time between two renewals.
    age_s = (now_utc - row["expires_utc"] + timedelta(seconds=LEASE_S)).total_seconds()
    return {
        "holder": row["holder"], "epoch": row["epoch"], "expires_utc": row["expires_utc"],
        "is_over": row["expires_utc"] <= now_utc, "age_s": age_s,
    }  # fmt: skip
