"""Head, meters and tariffs of a drafted site file, as far as they are known."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from assets.readings.drafts.map_draft import scalar, text_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.yaml_file import yaml_text

PLACEHOLDER = "PLACEHOLDER"


@dataclass(frozen=True)
class SiteFacts:
    """Facts of the site: stated, or known of its zone; empty where nobody states them."""

    site_id: str
    time_zone: str = ""
    country: str = ""
    currency: str = ""


def head_lines(facts: SiteFacts) -> Iterable[str]:
    """Lines of the site's head that the files lack: stated by a person, known from its zone, or an open question."""
    zone, country, currency = facts.time_zone, facts.country, facts.currency
    yield "# Drafted from files. What they do not say is marked with the word PLACEHOLDER; meterloom check lists it."
    yield f"site_id: {scalar(facts.site_id)}"
    name = text_of(facts.site_id.replace("_", " ").capitalize())
    yield f"name: {name}   # {PLACEHOLDER}: the name that reports print"
    if zone:
        yield f"time_zone: {zone}"
    else:
        yield f"time_zone: UTC   # {PLACEHOLDER}: the site's zone, as Europe/Berlin; days, months and tariffs follow it"
    yield f"currency: {currency or 'EUR'}" + ("" if currency else f"   # {PLACEHOLDER}: the currency of your prices")
    yield f"country: {country or 'DE'}" + ("" if country else f"   # {PLACEHOLDER}: whose public holidays the site has")
    yield "# subdivision: …                # state or region, where holidays differ within the country"
    yield from ("# latitude_deg: …                # where it lies, for the sun and the weather", "# longitude_deg: …")
    yield f"# floor_area_m2: …              # {PLACEHOLDER}: floor area in m2, for kWh/m2; delete both lines if unknown"
    yield "# floor_area_definition: GIA"
    yield ""


@dataclass
class DraftMeter:
    """registers: register_id -> unit. is_open: of a column that waits for its unit."""

    meter_id: str
    name: str
    carrier: str
    registers: dict[str, str] = field(default_factory=dict)
    question: str = ""
    is_cumulative: bool = False
    is_open: bool = False

    def lines(self, *, is_left_out: bool) -> Iterable[str]:
        """Its lines; of one that is left out comments, for a meter that nobody reads is a gap of its site."""
        start, note = ("  # ", "   # together with its column below") if is_left_out else ("  ", "")
        yield f"{start}- meter_id: {scalar(self.meter_id)}{note}"
        yield f"{start}  name: {text_of(self.name)}"
        asked = f"   # {PLACEHOLDER}: {self.question}" if self.question and not is_left_out else ""
        yield f"{start}  carrier: {self.carrier}{asked}"
        if self.registers != {"import": "kwh"} or self.is_cumulative:
            kind = ", kind: cumulative" if self.is_cumulative else ""
            units = (f"{{register_id: {scalar(name)}, unit: {unit}{kind}}}" for name, unit in self.registers.items())
            yield f"{start}  registers: [{', '.join(units)}]"


def tariff_lines(tariffs: Iterable[tuple[Path, Tariff]]) -> Iterable[str]:
    """Lines of tariffs that were read, each with the file it is from."""
    for place, (path, tariff) in enumerate(tariffs):
        yield from () if place else ("", "tariffs:")
        yield f"  # from {path.name}"
        first, *others = yaml_text(tariff.model_dump(mode="json", exclude_defaults=True)).splitlines()
        yield from (f"  - {first}", *(f"    {line}" for line in others))
