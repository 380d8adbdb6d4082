"""The head of a drafted site file: name, zone, currency and country, as far as they are known."""

from collections.abc import Iterable
from dataclasses import dataclass

from assets.readings.drafts.map_draft import scalar, text_of

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
