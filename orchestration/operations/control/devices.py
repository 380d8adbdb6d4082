"""`meterloom devices`: templates, the site's devices, one value, a scan, and whether a device keeps its template."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from controls.agent.main import gateways
from controls.gateways.access.device_keys import device_key_path, new_device_key
from controls.gateways.capabilities import DeviceReader
from controls.gateways.commissioning.conformance import Check, check_reads, check_writes
from controls.gateways.commissioning.scan import ScannedDevice, scan
from controls.gateways.modbus import TIMEOUT_S, ModbusReader
from controls.gateways.open import broker_address
from controls.gateways.served_unit import RATING
from controls.ledger.device_lease import acquire_lease, release_lease
from controls.ledger.modes import current_mode
from controls.safety.limits import limits_of
from controls.simulator.served_template import DEVICE_ID, served_template
from controls.templates.load_templates import Template, load_template
from controls.templates.template_rows import template_row, template_rows
from data_quality.contracts.control.command import Command, Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.people import Role
from data_quality.contracts.site_file.site import Asset, Site
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, STATELESS, Argument, Call, Option, operation
from orchestration.operations.signing import actor

if TYPE_CHECKING:
    from controls.gateways.foreign.home_assistant import Announced

MODBUS_PORT = 502
NameArgument = Annotated[str, Argument("A device of the site, or a template.", metavar="NAME")]
SiteOption = Annotated[str, Option("Site of the device.")]
AddressOption = Annotated[str, Option("host:port/unit of a Modbus device.")]
LIST = "name | template | protocol | sets: {sets:|-} | timer: {timer} | source: {source:|-}"
CATALOGUE = Table("devices", "brand | kind | template: {name} | device: {title} | protocol | source: {source:|-}")
CHECKS = Table("checks", "check: {name} | status | detail")
VALUES = Table("devices", "device: {name} | capability | value: {value:g} {unit}")


@dataclass(frozen=True)
class Target:
    """A template, and where a device of it is. site: None where only an address is known."""

    template: Template
    asset: Asset
    site: Site | None = None


@operation("devices list", takes=PROJECT, example="--site home")
def list_devices(call: Call, site: SiteOption = "") -> Answer:
    """List the device templates; with --site the devices of that site."""
    rows = [_row(each.template, each.model_dump()) for each in template_rows()]
    if site:
        known = [each for each in call.project.site(site).assets if each.template]
        rows = [
            _row(each.asset_id, template_row(load_template(each.template)).model_dump()) | {"address": each.address}
            for each in known
        ]
    table = Table("devices", LIST, sets=lambda each: ", ".join(each["sets"]), timer=_timer)
    return Answer({"devices": rows, "checks": []}, table)


@operation(
    "devices catalogue",
    takes=STATELESS,
    example="--kind battery",
)
def catalogue(
    call: Call,
    kind: Annotated[str, Option("Only those that drive this kind of device.")] = "",
) -> Answer:
    """List the device templates by brand and kind of device: what an asset's `template` may name. A plan needs none."""
    rows = [
        {"brand": each.brand, "kind": of_kind, **_row(each.template, each.model_dump(exclude={"brand", "kinds"}))}
        for each in template_rows()
        for of_kind in each.kinds
    ]
    known = sorted({each["kind"] for each in rows})
    if kind and kind not in known:
        message = f"no template drives a {kind!r}; expected one of {', '.join(known)}"
        raise BadInput(message, reason="unknown_kind", mend=did_you_mean(kind, known))
    rows = [each for each in rows if kind in ("", each["kind"])]
    rows.sort(key=lambda each: (each["is_synthetic"], each["brand"].lower(), each["kind"], each["name"]))
    return Answer({"devices": rows, "checks": []}, CATALOGUE)


@operation("devices show", takes=PROJECT, example="sunspec_pv_704")
def show_device(call: Call, name: NameArgument, site: SiteOption = "") -> Answer:
    """Show what a device can do: every capability with its unit, limits and safe default."""
    target = _target(call, name, site, "")
    template = target.template
    rows = [
        {
            "capability": each,
            "unit": place.unit,
            "min": place.min,
            "max": place.max,
            "safe_default": template.safe_default.get(each),
        }
        for each, place in template.capabilities.items()
    ]
    device = _row(name, template_row(template).model_dump()) | {"capabilities": rows, "address": target.asset.address}
    words = (
        f"{template.name}; {template.protocol}; timer of its own: {_timer(device)}; source: {template.source or '-'}"
    )
    table = Table(rows, "capability | unit | min: {min:|-} | max: {max:|-} | safe default: {safe_default:|-}")
    return Answer({"devices": [device], "checks": []}, table, words)


@operation("devices read", takes=PROJECT, example="battery read_soc_percent --site home")
def read_device(
    call: Call,
    name: NameArgument,
    capability: Annotated[str, Argument("What to read; everything if left out.")] = "",
    site: SiteOption = "",
    address: AddressOption = "",
) -> Answer:
    """Read one value of a device now, or all of them. Nothing is written."""
    target = _target(call, name, site, address)
    wanted = [capability] if capability else [*target.template.readable, *target.template.settable]
    units = {each: target.template.capability(each).unit for each in wanted}
    rows: list[dict[str, Any]] = []
    with _reader(call, target) as device:
        for each in wanted:
            value = device.read_back(each).value if each.startswith("set_") else device.read(each)
            rows.append({"name": name, "capability": each, "value": value, "unit": units[each]})
    return Answer({"devices": rows, "checks": []}, VALUES)


@operation("devices key", takes=PROJECT, example="pv --site home")
def device_key(call: Call, name: NameArgument, site: SiteOption) -> Answer:
    """Make the key with which commands to a device are signed (HMAC); the device is given the same file."""
    asset = _target(call, name, site, "").asset
    folder = call.project.project.keys_dir / "devices" / site
    new_device_key(folder, asset.asset_id)
    path = device_key_path(folder, asset.asset_id)
    words = f"{path} is written, for its owner alone; from the agent's next start the device must check it"
    return Answer({"devices": [{"name": name, "key_file": str(path)}], "checks": []}, text=words)


@operation("devices discover", takes=PROJECT, example="10.0.0.5 10.0.0.6:1502/2")
def discover_devices(
    call: Call,
    addresses: Annotated[list[str] | None, Argument("Whom to ask.", metavar="[HOST[:PORT][/UNIT]…]")] = None,
    timeout: Annotated[float, Option("Seconds to wait for each.", min=0.1, max=10)] = TIMEOUT_S,
    mqtt: Annotated[bool, Option("Devices that announce themselves on the project's broker, too.")] = False,
) -> Answer:
    """Ask the named addresses for their SunSpec models, one after the other, and say which templates fit.

    Nothing is asked that is not named, and nothing is written. --mqtt lists what the project's broker keeps of Home
    Assistant's announcements; in --json each comes with the template that it makes.
    """
    rows: list[dict[str, Any]] = []
    for each in addresses or []:
        host, port, unit_id = _place(each)
        call.doing(f"asking {each}")
        rows.append(_scanned(scan(host, port, unit_id, timeout_s=timeout)))
    if mqtt:
        from controls.gateways.foreign.home_assistant import discover

        call.doing("listening to the broker")
        rows += [_announced(each) for each in discover(broker_address(call.project.project.settings), wait_s=timeout)]
    elif not addresses:
        raise BadInput("whom to ask? Name addresses as host:port/unit, or give --mqtt", reason="nobody_named")
    table = Table("devices", "address | name: {name:|-} | models: {numbers:|-} | templates: {fits:|-} | detail",
                  numbers=lambda each: ", ".join(str(model["model"]) for model in each["models"]),
                  fits=lambda each: ", ".join(each["templates"]))  # fmt: skip
    is_found = any(each["templates"] or each["models"] for each in rows)
    return Answer({"devices": rows, "checks": []}, table, exit_code=DONE if is_found else CHECK_FAILED)


def _scanned(found: ScannedDevice) -> dict[str, Any]:
    name = " ".join(filter(None, (found.maker.get("maker"), found.maker.get("type"))))
    return found.model_dump() | {"name": name}


def _announced(found: "Announced") -> dict[str, Any]:
    template = found.template
    return {
        "address": found.topic,
        "name": found.name,
        "models": [],
        "templates": [] if template is None else [template.template],
        "detail": found.why_not,
        "definition": None if template is None else template.model_dump(by_alias=True, exclude_defaults=True),
    }


@operation("devices test", takes=ACTS, example="battery --site home")
def try_device(
    call: Call,
    name: NameArgument,
    site: SiteOption = "",
    address: AddressOption = "",
    write: Annotated[bool, Option("Write set-points too; needs --site and --as.")] = False,
    reason: Annotated[str, Option("Why it is written to.")] = "",
) -> Answer:
    """Ask whether a device keeps its template. A device is only read, unless --write says otherwise.

    A template without an address is asked of a simulator made from it, set-points and all. --write moves the device:
    it needs an engineer, a site in SIMULATION or ADVISORY, and no agent that holds the site.
    """
    target = _target(call, name, site, address)
    if not site and not address:
        checks = _simulated(call, target.template)
    elif write:
        checks = _written(call, target, reason)
    else:
        with _reader(call, target) as device:
            checks = list(check_reads(device, target.template))
    rows = [each.model_dump() for each in checks]
    is_bad = any(each.status == "fail" for each in checks)
    device_row = _row(name, template_row(target.template).model_dump()) | {"address": target.asset.address}
    return Answer({"devices": [device_row], "checks": rows}, CHECKS, exit_code=CHECK_FAILED if is_bad else DONE)


def _target(call: Call, name: str, site: str, address: str) -> Target:
    """The device that a name means. Raises BadInput."""
    if not site:
        template = load_template(name)
        return Target(template, Asset(asset_id="device", kind="device", template=name, address=address))
    if address:
        raise BadInput("a device of a site has its address in the site file: give --site or --address", reason="both")
    known = call.project.site(site)
    asset = next((each for each in known.assets if each.asset_id == name), None)
    if asset is None or not asset.template:
        names = ", ".join(each.asset_id for each in known.assets if each.template) or "none"
        raise BadInput(f"site {site!r} has no device {name!r}; it has {names}", reason="unknown_device")
    return Target(load_template(asset.template), asset, known)


@contextmanager
def _reader(call: Call, target: Target) -> Iterator[DeviceReader]:
    """The device, to be read and nothing else."""
    device: DeviceReader
    if target.site is not None:
        device = gateways(target.site, call.project.project, call.clock).open_reader(
            target.asset, target.template, epoch=0
        )
    else:
        host, port, unit_id = _place(target.asset.address or _no_address(target.template))
        device = ModbusReader(target.template, host=host, port=port, unit_id=unit_id, clock=call.clock)
    try:
        yield device
    finally:
        device.close()


def _no_address(template: Template) -> str:
    raise BadInput(f"where is the {template.template}? Give --site or --address host:port/unit", reason="no_address")


def _simulated(call: Call, template: Template) -> list[Check]:
    """The template against a simulator made from it, on a clock of its own."""
    now_s, orders = [0.0], itertools.count(1)

    def wait(seconds: float) -> None:
        now_s[0] += seconds

    def make(capability: str, value: float, ttl_s: float) -> Command:
        return _command(call, template, DEVICE_ID, capability, value, ttl_s, epoch=1, seq=next(orders))

    spans = {name: template.limits(name) for name in template.settable}
    for name, (low, high) in spans.items():
        if template.capability(name).share_of is not None:
            spans[name] = (max(low, -RATING), min(high, RATING))
    with served_template(template, clock=call.clock, monotonic=lambda: now_s[0]) as device:
        return [*check_reads(device, template), *check_writes(device, template, make, spans=spans, wait=wait)]


def _written(call: Call, target: Target, reason: str) -> list[Check]:
    """The device in the cabinet, moved by a named engineer while nobody else may move it."""
    if target.site is None:
        raise BadInput(
            "--write moves a device: it must be one of a site, with its limits; give --site", reason="no_site"
        )
    who, store, site_id = actor(call, Role.ENGINEER), call.project.store, target.site.site_id
    if not reason:
        raise BadInput("--write moves a device: say why with --reason", reason="no_reason")
    mode = current_mode(store, site_id, target.asset.asset_id, now_utc=call.clock.now_utc())
    if mode > Mode.ADVISORY:
        raise BadInput(
            f"device {target.asset.asset_id!r} is in {mode.name}: set it to ADVISORY before it is tested", reason="mode"
        )
    holder = f"devices-test-{who.person.person_id}"

    def epoch() -> int:
        # Kept while the test runs: as long as it is ours, no agent of the site writes.
        lease = acquire_lease(store, site_id, holder, now_utc=call.clock.now_utc())
        if lease is None:
            raise BadInput(f"an agent holds site {site_id!r}: stop it before a device is tested", reason="agent_runs")
        return lease.epoch

    first = epoch()
    with store.together():
        who.sign("devices test", f"{site_id}/{target.asset.asset_id}", reason=reason)
    template, orders, name = target.template, itertools.count(1), target.asset.asset_id
    limits = {each: limits_of(target.asset, template, each) for each in template.settable}
    device = gateways(target.site, call.project.project, call.clock).open_device(target.asset, template, epoch=first)
    try:
        checks = list(check_reads(device, template))

        def make(capability: str, value: float, ttl_s: float) -> Command:
            return _command(call, template, name, capability, value, ttl_s, epoch=epoch(), seq=next(orders))

        spans = {each: (known.min_value, known.max_value) for each, known in limits.items()}
        return checks + list(check_writes(device, template, make, spans=spans, wait=time.sleep))
    finally:
        device.close()
        lease = acquire_lease(store, site_id, holder, now_utc=call.clock.now_utc())
        if lease is not None:
            release_lease(store, lease, now_utc=call.clock.now_utc())


def _command(
    call: Call, template: Template, device: str, capability: str, value: float, ttl_s: float, *, epoch: int, seq: int
) -> Command:
    now_utc = call.clock.now_utc()
    name = f"test-{device}-{epoch}-{seq}"
    return Command(
        command_id=name,
        idempotency_key=name,
        plan_id="",
        plan_hash="",
        site_id="",
        device_id=device,
        capability=capability,
        value=value,
        unit=template.capability(capability).unit,
        seq=seq,
        epoch=epoch,
        # A second back: the gateway refuses what has not begun, and clocks are corrected backwards, too.
        valid_from_utc=now_utc - timedelta(seconds=1),
        valid_until_utc=now_utc + timedelta(minutes=5),
        ttl_s=ttl_s,
    )


def _place(address: str) -> tuple[str, int, int]:
    """Host, port and unit of `host[:port][/unit]`. Raises BadInput."""
    where, _, unit = address.partition("/")
    host, _, port = where.partition(":")
    try:
        if host:
            return host, int(port or MODBUS_PORT), int(unit or 1)
    except ValueError:
        pass
    raise BadInput(f"cannot read address {address!r}; expected host:port/unit", reason="bad_address")


def _row(name: str, row: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": row.pop("name")} | row


def _timer(row: dict[str, Any]) -> str:
    if not row["sets"]:
        return "-"
    return "yes" if row["has_device_ttl"] else "no: PARTIAL at most"
