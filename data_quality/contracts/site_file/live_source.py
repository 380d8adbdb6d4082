"""Live and pulled sources of a site as data: one model a kind, each with the addresses of its points; and the sources
of grid signals.

No secret stands here: `…_env` names the environment variable that holds it.
"""

import ipaddress
from collections.abc import Sequence
from datetime import date
from functools import partial
from operator import not_
from typing import Annotated, Any, Literal, Protocol, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model, check_all
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.site_file.live_point import Point, Streams, check_points
from data_quality.contracts.site_file.meter import Identifier
from data_quality.contracts.text import each_id_once
from data_quality.contracts.units import unit_at_end

Port = Annotated[int, Field(ge=1, le=65535)]
EveryS = Annotated[float, Field(ge=0.1, le=3600, description="Seconds between two questions")]


def _bare_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected an address such as https://influx.example:8086")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the address alone, without a password, a query or a #")
    return url


ServiceAddress = Annotated[str, AfterValidator(_bare_url)]
VariableName = Annotated[
    str, Field(pattern=r"^([A-Z][A-Z0-9_]{2,63})?$", description="Environment variable that holds the secret")
]


class _Source(Model):
    source_id: Identifier
    name: str = Field(default="", max_length=80, exclude_if=not_, description="As people call it; empty: by its id")
    is_synthetic: bool = Field(default=False, description="Made up: what rests on it is flagged")
    silent_after_s: float = Field(default=60.0, gt=0, le=86_400, description="Without a sample for so long: silent")


class MqttPoint(Point):
    """A value in a message. path: dots part keys and list numbers (`energy.import`, `0.v`); empty: the whole message.

    Of sparkplug_b, path is the metric's name.
    """

    topic: str = Field(min_length=1, max_length=512, description="Without wildcards: each topic is one device's")
    path: str = Field(default="", max_length=512)

    @model_validator(mode="after")
    def _is_one_topic(self) -> Self:
        if any(sign in self.topic for sign in "+#\0"):
            raise ValueError(f"point {self.point!r}: topic {self.topic!r} holds a wildcard; name each topic")
        return self


class MqttSource(_Source):
    """Messages of an MQTT 5 broker; without a host that of the settings. Paths as in its points; empty: not sent."""

    kind: Literal["mqtt"]
    host: str = ""
    port: Port | None = None
    username: str = ""
    password_env: VariableName = ""
    ca_file: str = Field(default="", description="Certificates that vouch for the broker (PEM, absolute path)")
    payload: Literal["json", "sparkplug_b"] = "json"
    time_path: str = ""
    time_format: Literal["iso", "unix_s", "unix_ms"] = "iso"
    seq_path: str = Field(default="", description="The device's own number of the message, from 1")
    no_value: tuple[str, ...] = Field(default=(), description="Words that stand for no value, as `unavailable`")
    points: tuple[MqttPoint, ...] = Field(min_length=1)


class DevicePoint(Point):
    """A reading of the device's template. value_name: left out, `read_` and `point`. unit: left out, as that ends."""

    value_name: str = Field(pattern=r"^read_[a-z0-9_]+$")

    @model_validator(mode="before")
    @classmethod
    def _is_a_reading(cls, document: Any) -> Any:
        if not isinstance(document, dict) or not isinstance(document.get("value_name", document.get("point")), str):
            return document
        name = document.get("value_name", f"read_{document.get('point')}")
        unit = unit_at_end(name)
        return {"value_name": name, **({"unit": unit} if unit else {}), **document}


class DeviceSource(_Source):
    """A device polled in its template's protocol: an asset, or address and template. modbus: the kind's older name."""

    kind: Literal["device", "modbus"]
    asset: Identifier | None = None
    address: str = Field(default="", description="host:port/unit, or its name on the broker; an asset has its own")
    template: str = ""
    every_s: EveryS = 10.0
    timeout_s: float = Field(default=1.0, gt=0, le=30)
    points: tuple[DevicePoint, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_one_device(self) -> Self:
        if (self.asset is None) != bool(self.address and self.template) or (self.asset and self.address):
            raise ValueError(f"source {self.source_id!r}: give an asset, or address and template")
        return self


class BacnetPoint(Point):
    """An object's present value. object: type and instance, as `analog-input,1`."""

    object: str = Field(pattern=r"^[a-z][a-z-]+,\d{1,7}$")


class BacnetSource(_Source):
    """A BACnet/IP device, polled for the present values of its objects."""

    kind: Literal["bacnet"]
    address: str = Field(pattern=r"^[A-Za-z0-9._-]{1,253}(:\d{1,5})?$", description="host or host:port of the device")
    device_id: int | None = Field(default=None, ge=0, le=4_194_302, description="What it must say of itself")
    every_s: EveryS = 60.0
    timeout_s: float = Field(default=3.0, gt=0, le=60)
    points: tuple[BacnetPoint, ...] = Field(min_length=1)


class P1Point(Point):
    """A line of the telegram. obis: as `1-0:1.8.1`."""

    obis: str = Field(pattern=r"^\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(\.255)?$")


class P1Source(_Source):
    """Telegrams of a DSMR or eSMR smart meter's P1 port over TCP."""

    kind: Literal["p1_tcp"]
    host: str = Field(min_length=1)
    port: Port = 23
    equipment_id: str = Field(default="", max_length=96, description="What the meter must say of itself (0-0:96.1.1)")
    points: tuple[P1Point, ...] = Field(min_length=1)


class PushSource(_Source):
    """Readings that others bring: POST /api/v1/readings with an API key of this source. Its points are all it takes."""

    kind: Literal["push"]
    points: tuple[Point, ...] = Field(min_length=1)


class InfluxPoint(Point):
    """A series of the bucket. tags: each must have this value."""

    measurement: str = Field(min_length=1)
    field: str = Field(min_length=1)
    tags: dict[str, str] = {}


class InfluxSource(_Source):
    """The history and the news of an InfluxDB 2 bucket, pulled."""

    kind: Literal["influxdb2"]
    url: ServiceAddress
    org: str = Field(min_length=1)
    bucket: str = Field(min_length=1)
    token_env: VariableName
    since: date = Field(description="First day that is pulled, of UTC")
    every_minutes: int = Field(default=15, ge=1, le=1440)
    points: tuple[InfluxPoint, ...] = Field(min_length=1)


class PricesSource(_Source):
    """Day-ahead prices of a market, pulled into a driver in per_mwh or per_kwh."""

    kind: Literal["prices"]
    provider: Literal["awattar", "entsoe"]
    url: ServiceAddress
    area: str = Field(default="", description="Bidding zone (ENTSO-E: its EIC)")
    token_env: VariableName = ""
    every_h: int = Field(default=1, ge=1, le=24)
    points: tuple[Point, ...] = Field(min_length=1, max_length=1)


LiveSource = Annotated[
    MqttSource | DeviceSource | BacnetSource | P1Source | PushSource | InfluxSource | PricesSource,
    Field(discriminator="kind"),
]
# These have an adapter in the collector. What is pushed comes to a door of its own (receive.py), and the others are
# pulled by a schedule.
Streaming = MqttSource | DeviceSource | BacnetSource | P1Source


Kw = Annotated[float, Field(gt=0)]


class _LimitSource(Model):
    """A source that may send capacity limits.

    failsafe_import_kw, failsafe_export_kw: ceilings that hold once nothing was heard for two minutes; without one a
    silent source sets no ceiling of its own. device_floor_kw: what one device may draw under any of its import
    ceilings (EnWG 14a: 4.2).
    """

    source_id: Identifier
    failsafe_import_kw: float | None = Field(default=None, ge=0)
    failsafe_export_kw: float | None = Field(default=None, ge=0)
    device_floor_kw: float | None = Field(default=None, gt=0)
    is_synthetic: bool = Field(default=False, description="A simulator of ours: what follows from it is flagged")

    @property
    def has_failsafe(self) -> bool:
        """True where its silence sets a ceiling."""
        return self.failsafe_import_kw is not None or self.failsafe_export_kw is not None


class RelayStep(Model):
    """A state of a relay or register, and the ceiling that it means: kw, or percent of `of_kw`; neither: no limit."""

    reading: float
    kw: float | None = Field(default=None, ge=0)
    percent: float | None = Field(default=None, ge=0, le=100)


class RelaySource(_LimitSource):
    """A capacity limit by contact: a point of a live source, whose states are ceilings. Silent where the point is."""

    kind: Literal["relay"]
    live_source: Identifier
    point: str = Field(min_length=1, max_length=128)
    limits: Literal["import", "export"] = "import"
    of_kw: float | None = Field(default=None, gt=0, description="100 %")
    steps: tuple[RelayStep, ...] = Field(min_length=1)
    poll_s: float = Field(default=1.0, ge=0.2, le=5, description="Seconds between two looks at the live board")

    @model_validator(mode="after")
    def _steps_say_one_thing(self) -> Self:
        each_id_once("reading", [f"{step.reading:g}" for step in self.steps])
        for step in self.steps:
            if step.kw is not None and step.percent is not None:
                raise ValueError(f"step {step.reading:g}: give kw or percent")
            if step.percent is not None and self.of_kw is None:
                raise ValueError(f"step {step.reading:g}: percent needs of_kw")
        return self

    def ceiling_kw(self, step: RelayStep) -> float | None:
        """Power that a step allows, kW; None: everything."""
        return step.kw if step.percent is None else step.percent / 100 * (self.of_kw or 0.0)


class _EventSource(_LimitSource):
    """A virtual top node (VTN): its programme's events are answered with plans."""

    url: ServiceAddress
    programme: str = Field(
        min_length=1, max_length=128, description="programName at the VTN; of 2.0b its marketContext"
    )
    ven_name: str = Field(min_length=1, max_length=128, description="Name under which reports are sent")
    shed_kw: tuple[Kw, Kw, Kw] | None = Field(
        default=None, description="Shed for SIMPLE levels 1, 2 and 3, by contract"
    )
    settles_by: Identifier | None = Field(
        default=None, description="Demand-response programme whose terms its events have; none: a plan alone"
    )


class SignalSource(_EventSource):
    """A virtual top node (VTN) of OpenADR 3. No secret stands here: secret_env names the variable that holds it."""

    kind: Literal["openadr3"] = Field(default="openadr3")
    url: ServiceAddress = Field(description="Base address, as https://vtn.example/openadr3/3.0.1")
    token_url: ServiceAddress | None = Field(default=None, description="Left out: url with /auth/token")
    client_id: str = Field(min_length=1, max_length=200)
    secret_env: VariableName = Field(min_length=1)
    scope: str = Field(default="", max_length=200)
    poll_s: float = Field(default=5.0, ge=1, le=60, description="Seconds between two questions")
    broker: str = Field(default="", max_length=300, description="Broker of its notifications (3.1), as mqtts://host")
    broker_ca_file: str = Field(default="", description="Certificates that vouch for the broker (PEM, absolute path)")

    @field_validator("url", "token_url")
    @classmethod
    def _is_private(cls, url: str | None) -> str | None:
        """A token in the clear is anybody's: https, but on this machine."""
        parts = urlsplit(url or "https://none")
        if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
            raise ValueError("expected https: a client secret is not sent in the clear")
        return url

    @model_validator(mode="after")
    def _has_private_broker(self) -> Self:
        parts = urlsplit(self.broker or "mqtt://localhost")
        is_ours = parts.scheme == "mqtt" and not self.broker_ca_file and _is_loopback(parts.hostname or "")
        if not is_ours and not (parts.scheme == "mqtts" and parts.hostname and self.broker_ca_file):
            raise ValueError("broker: expected mqtts://host with broker_ca_file, or mqtt:// on this machine")
        return self


class Openadr2Source(_EventSource):
    """A virtual top node (VTN) of OpenADR 2.0b, polled by simple HTTP (pull).

    certificate_file, key_file: this node's own, by which the VTN knows it (PEM, absolute paths); ca_file: vouches for
    the VTN. signs: messages carry a signature too. vtn_fingerprint: of the certificate that signs the VTN's messages.
    """

    kind: Literal["openadr2"]
    url: ServiceAddress = Field(description="Base address, as https://vtn.example/OpenADR2/Simple/2.0b")
    ven_id: str = Field(default="", max_length=128, description="Left out: the VTN gives one at registration")
    poll_s: float = Field(default=10.0, ge=1, le=3600, description="Seconds between two questions")
    certificate_file: str = ""
    key_file: str = ""
    ca_file: str = ""
    signs: bool = False
    vtn_fingerprint: str = Field(default="", pattern=r"^([0-9A-F]{2}(:[0-9A-F]{2}){9})?$")

    @model_validator(mode="after")
    def _is_known_by_certificate(self) -> Self:
        parts = urlsplit(self.url)
        files = (self.certificate_file, self.key_file, self.ca_file)
        if not all(files) and (parts.scheme == "https" or not _is_loopback(parts.hostname or "") or any(files)):
            raise ValueError(
                "expected certificate_file, key_file and ca_file: OpenADR 2.0b knows a node by certificate"
            )
        if all(files) and parts.scheme != "https":
            raise ValueError("url: expected https, since certificate_file is given")
        if self.signs and not all(files):
            raise ValueError("signs: expected certificate_file, key_file and ca_file")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kind(source: Any) -> str:
    # Files from before there was another kind name none.
    return str(source.get("kind", "openadr3") if isinstance(source, dict) else getattr(source, "kind", ""))


LimitSource = Annotated[
    Annotated[SignalSource, Tag("openadr3")]
    | Annotated[Openadr2Source, Tag("openadr2")]
    | Annotated[RelaySource, Tag("relay")],
    Discriminator(_kind),
]
VtnSource = SignalSource | Openadr2Source


def _ids_once(sources: tuple[LimitSource, ...]) -> tuple[LimitSource, ...]:
    each_id_once("signal source", [source.source_id for source in sources])
    return sources


SignalSources = Annotated[tuple[LimitSource, ...], AfterValidator(_ids_once)]


class Sourced(Protocol):
    """The part of a site that live sources need."""

    @property
    def sources(self) -> Sequence[LiveSource]:
        """All of them."""


def check_sources(sources: Sequence[LiveSource], site: Streams, devices: Sequence[str]) -> None:
    """Sources have names of their own, fill streams that exist, and each stream once. Raises ValueError.

    devices: the site's assets that have a template.
    """
    filled: dict[tuple[str, str], str] = {}
    check_all(
        [
            partial(each_id_once, "source", [source.source_id for source in sources]),
            *(partial(check_points, f"source {source.source_id!r}", source.points, site, filled) for source in sources),
            *(partial(_check_device, source, devices) for source in sources if isinstance(source, DeviceSource)),
        ]
    )


class Limited(Sourced, Protocol):
    """The part of a site that relays need."""

    @property
    def signal_sources(self) -> Sequence[LimitSource]:
        """Sources that may send capacity limits."""


def check_relays(site: Limited) -> None:
    """Each relay is a point that a live source of the site tells. Raises ValueError."""
    points = {each.source_id: [point.point for point in each.points] for each in site.sources}
    for relay in (each for each in site.signal_sources if isinstance(each, RelaySource)):
        if relay.point not in points.get(relay.live_source, ()):
            raise ValueError(
                f"signal source {relay.source_id!r}: no live source {relay.live_source!r} with point {relay.point!r}; "
                f"there are {', '.join(points) or 'none'}"
            )


def _check_device(source: DeviceSource, devices: Sequence[str]) -> None:
    if source.asset is not None and source.asset not in devices:
        has = ", ".join(devices) or "none"
        message = f"source {source.source_id!r}: asset {source.asset!r} is no asset with a template; those are {has}"
        raise ValueError(message) from BadInput(message, mend=did_you_mean(source.asset, list(devices)))


def poll_intervals_s(site: Sourced) -> dict[str, float]:
    """Seconds between two polls by source_id, of the sources that are polled; others send by themselves."""
    return {each.source_id: each.every_s for each in site.sources if isinstance(each, DeviceSource | BacnetSource)}


def is_listened_to(site: Sourced) -> bool:
    """True where the collector has something to do for a site."""
    return any(isinstance(source, Streaming) for source in site.sources)
