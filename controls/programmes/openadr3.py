"""Objects of OpenADR 3 as they travel (the schema of 3.0.1 and 3.1.0), as far as a virtual end node needs them.

Names on the wire are in camel case. Fields that this house has no use for are left out; what stands here is checked.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from data_quality.contracts.errors import BadInput
from data_quality.contracts.text import one_line

ObjectId = str
T = TypeVar("T", bound="Body")


class Body(BaseModel):
    """Base of all objects: frozen, names of the wire, later fields of the standard ignored."""

    # A sender of 3.1 or with extensions of its own must not be turned away for a field that nobody here reads.
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, allow_inf_nan=False)


class CurvePoint(Body):
    """A point of a curve, as volts and vars."""

    x: float
    y: float


Value = bool | float | str | CurvePoint


class Values(Body):
    """One payload: a type and its values."""

    type: str = Field(min_length=1, max_length=128)
    values: tuple[Value, ...]


class IntervalPeriod(Body):
    """Start and length of an interval; without a duration it is open. start: None for `at once` (0001-01-01)."""

    start: AwareDatetime | None = None
    duration: timedelta | None = None
    randomize_start: timedelta | None = Field(default=None, alias="randomizeStart")

    @field_validator("start", mode="before")
    @classmethod
    def _may_be_at_once(cls, start: Any) -> Any:
        # The begin of time, with or without an hour and a zone; 3.0 wrote it with zeros, which is no date.
        return None if isinstance(start, str) and start.startswith(("0001-01-01", "0000-")) else start


class Interval(Body):
    """Payloads of one interval; without a period of its own it follows the one before."""

    id: int
    interval_period: IntervalPeriod | None = Field(default=None, alias="intervalPeriod")
    payloads: tuple[Values, ...]


class PayloadDescriptor(Body):
    """Unit and currency of a payload type."""

    payload_type: str = Field(alias="payloadType", min_length=1, max_length=128)
    units: str | None = None
    currency: str | None = None


class Programme(Body):
    """A programme of the VTN (`program`)."""

    id: ObjectId
    programme_name: str = Field(alias="programName", min_length=1, max_length=128)
    payload_descriptors: tuple[PayloadDescriptor, ...] | None = Field(default=None, alias="payloadDescriptors")


class Event(Body):
    """An event of a programme. targets: of 3.0 types with values, of 3.1 words, by which the VTN has filtered."""

    id: ObjectId = Field(min_length=1, max_length=128)
    programme_id: ObjectId = Field(alias="programID")
    event_name: str | None = Field(default=None, alias="eventName")
    priority: int | None = Field(default=None, ge=0)
    targets: tuple[Values | str, ...] | None = None
    payload_descriptors: tuple[PayloadDescriptor, ...] | None = Field(default=None, alias="payloadDescriptors")
    interval_period: IntervalPeriod | None = Field(default=None, alias="intervalPeriod")
    # Of 3.1 an event may have none: one that only asks for reports.
    intervals: tuple[Interval, ...] = ()
    # Longer than its intervals: they repeat; shorter: they are cut.
    duration: timedelta | None = None
    created_utc: AwareDatetime | None = Field(default=None, alias="createdDateTime")
    modified_utc: AwareDatetime | None = Field(default=None, alias="modificationDateTime")

    def is_for(self, ven_name: str) -> bool:
        """False where it names other virtual end nodes than this one."""
        named = [each.values for each in self.targets or () if isinstance(each, Values) and each.type == "VEN_NAME"]
        return not named or any(ven_name in values for values in named)


class Token(Body):
    """Answer of OAuth2 client credentials (RFC 6749, 4.4.3)."""

    access_token: str = Field(min_length=1, max_length=8192)
    token_type: str
    expires_in: float | None = Field(default=None, gt=0)


class ReportResource(Body):
    """Values of one resource in a report."""

    resource_name: str = Field(alias="resourceName")
    intervals: tuple[Interval, ...]


class ReportDescriptor(Body):
    """Unit and reading type of a report's payload type."""

    object_type: Literal["REPORT_PAYLOAD_DESCRIPTOR"] = Field(default="REPORT_PAYLOAD_DESCRIPTOR", alias="objectType")
    payload_type: str = Field(alias="payloadType", min_length=1, max_length=128)
    reading_type: str | None = Field(default=None, alias="readingType")
    units: str | None = None


class Report(Body):
    """A report of a virtual end node about an event. programme_id: of 3.0 alone, where it must be there.

    id: the server's, who alone gives it.
    """

    object_type: Literal["REPORT"] = Field(default="REPORT", alias="objectType")
    id: ObjectId | None = None
    programme_id: ObjectId | None = Field(default=None, alias="programID")
    event_id: ObjectId = Field(alias="eventID")
    client_name: str = Field(alias="clientName")
    report_name: str | None = Field(default=None, alias="reportName")
    payload_descriptors: tuple[ReportDescriptor, ...] | None = Field(default=None, alias="payloadDescriptors")
    resources: tuple[ReportResource, ...]


class Ven(Body):
    """A virtual end node as it tells the VTN of itself, or as the VTN knows it. object_type: differs by version."""

    object_type: Literal["VEN", "VEN_VEN_REQUEST", "BL_VEN_REQUEST"] = Field(default="VEN", alias="objectType")
    ven_name: str = Field(alias="venName", min_length=1, max_length=128)
    id: ObjectId | None = None


class MqttNotifier(Body):
    """Where and how a VTN of 3.1 tells of changes over MQTT."""

    uris: tuple[str, ...] = Field(alias="URIS")
    serialization: str
    authentication: dict[str, Any]


class Notifiers(Body):
    """Ways by which a VTN of 3.1 tells of changes."""

    mqtt: MqttNotifier | None = Field(default=None, alias="MQTT")


class Topics(Body):
    """Topics of MQTT by operation; ALL where one name holds for every operation."""

    topics: dict[str, str]

    @property
    def wanted(self) -> tuple[str, ...]:
        """The topics to subscribe to."""
        return (self.topics["ALL"],) if "ALL" in self.topics else tuple(self.topics.values())


def read_body(kind: type[T], document: Any, place: str) -> T:
    """An object of the wire, checked. Raises BadInput (bad_body) naming the first field that is not as published."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the body"
        reason = one_line(first["msg"], 200)
        raise BadInput(f"{place}: {kind.__name__} {field}: {reason}", reason="bad_body") from error


def acknowledgement(event: Event, ven_name: str, state: str, at_utc: datetime) -> Report:
    """The report that an event was received. state: of the published list (OPERATING_STATE): NORMAL or ERROR."""
    interval = Interval(
        id=0, interval_period=IntervalPeriod(start=at_utc), payloads=(Values(type="OPERATING_STATE", values=(state,)),)
    )
    return Report(
        programme_id=event.programme_id, event_id=event.id, client_name=ven_name, report_name="received",
        resources=(ReportResource(resource_name="AGGREGATED_REPORT", intervals=(interval,)),),
    )  # fmt: skip


class Amount(NamedTuple):
    """Energy of one interval; None: not read, or no baseline. is_estimated: not every reading of it was read."""

    start_utc: datetime
    end_utc: datetime
    kwh: float | None
    is_estimated: bool = False


class PayloadSpec(NamedTuple):
    """A payload type of the published list with its unit, and what it is made of."""

    payload_type: str
    units: str
    is_power: bool = False


USAGE, DEMAND, BASELINE = (
    PayloadSpec("USAGE", "KWH"),
    PayloadSpec("DEMAND", "KW", is_power=True),
    PayloadSpec("BASELINE", "KWH"),
)


def energy_report(
    spec: PayloadSpec,
    amounts: Sequence[Amount],
    *,
    event_id: str,
    ven_name: str,
    resource: str,
    programme_id: str = "",
    period: str = "",
) -> Report:
    """One payload type of one resource. Intervals without a value are left out: there is no word for unknown.

    Demand is the mean power of an interval. programme_id: of OpenADR 3.0 alone. period: the part of an event that
    the report is of, so that another part's is another report; empty: the whole.
    """
    known = [each for each in amounts if each.kwh is not None]
    intervals = tuple(_interval(number, each, spec) for number, each in enumerate(known))
    reading = "ESTIMATED" if spec is BASELINE or any(each.is_estimated for each in known) else "DIRECT_READ"
    return Report(
        programme_id=programme_id or None,
        event_id=event_id,
        client_name=ven_name,
        report_name=f"{spec.payload_type} {period}".rstrip(),
        payload_descriptors=(
            ReportDescriptor(payload_type=spec.payload_type, reading_type=reading, units=spec.units),
        ),
        resources=(ReportResource(resource_name=resource, intervals=intervals),),
    )  # fmt: skip


def _interval(number: int, amount: Amount, kind: PayloadSpec) -> Interval:
    length = amount.end_utc - amount.start_utc
    value = amount.kwh or 0.0
    value = value / (length.total_seconds() / 3600) if kind.is_power else value
    period = IntervalPeriod(start=amount.start_utc, duration=length)
    return Interval(id=number, interval_period=period, payloads=(Values(type=kind.payload_type, values=(value,)),))
