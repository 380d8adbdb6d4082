"""Green Button document (ESPI Atom XML) of channels: usage points, meter readings, reading types, blocks of a month.

The same readings give the same bytes: ids follow from names, times from the readings. Element order is the schema's.
"""

import re
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from reports.exports.espi_channels import BULK_QUANTITY, DELTA_DATA, ENERGY_KIND, VOLUME_KIND, Channel
from reports.exports.summer_time import LocalTime

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:espi="http://naesb.org/espi">\n'
)
# ESPI ServiceKind of a commodity: cooling is nearest to heat; electricity where none fits.
_SERVICE = {7: 1, 9: 2, 10: 4, 12: 4, 13: 4}
# What XML 1.0 cannot hold: a name may have it all the same.
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(
    site_id: str, channels: Sequence[Channel], *, clock: LocalTime, zone: str, updated_utc: datetime
) -> Iterator[str]:
    """The document in pieces. updated_utc: when the newest of the readings was recorded."""
    page = _Page(site_id, f"{updated_utc:%Y-%m-%dT%H:%M:%SZ}")
    note = " (synthetic readings)" if any(each.synthetic for each in channels) else ""
    yield _HEAD + page.head(f"{site_id}{note}")
    yield page.entry(page.clock, "local time", _clock(clock), up=page.clock.rpartition("/")[0])
    for meter in dict.fromkeys(each.meter.meter_id for each in channels):
        own = [each for each in channels if each.meter.meter_id == meter]
        yield from _usage_point(page, own)
        for channel in own:
            yield from _meter_reading(page, channel, zone)
    yield "</feed>\n"


class _Page:
    """Atom entries of one document.

    Who takes several documents keeps what they hold by its address: it says all that the content depends on, the site
    too, so that no document rewrites what another one means.
    """

    def __init__(self, site_id: str, updated: str) -> None:
        self.root, self.updated = f"RetailCustomer/{site_id}", updated
        self.clock = f"{self.root}/LocalTimeParameters/1"

    def head(self, title: str) -> str:
        """Id, title and time of the document."""
        own = f'<id>{_urn(self.root)}</id>\n<link rel="self" href={quoteattr(self.root)}/>\n'
        by = f"<author><name>{_text(title)}</name></author>\n"
        return f"{own}<title>{_text(title)}</title>\n<updated>{self.updated}</updated>\n{by}"

    def entry(self, link: str, title: str, content: str, *, up: str, related: Sequence[str] = ()) -> str:
        """One entry with its links."""
        links = "".join(
            f"<link rel={quoteattr(rel)} href={quoteattr(href)}/>\n"
            for rel, href in (("self", link), ("up", up), *(("related", each) for each in related))
        )
        return (
            f"<entry>\n<id>{_urn(link)}</id>\n{links}<title>{_text(title)}</title>\n"
            f'<content type="application/xml">\n{content}</content>\n'
            f"<published>{self.updated}</published>\n<updated>{self.updated}</updated>\n"
            "</entry>\n"
        )

    def point(self, channel: Channel) -> str:
        """Link of a channel's usage point."""
        return f"{self.root}/UsagePoint/{channel.meter.meter_id}"

    def reading(self, channel: Channel) -> str:
        """Link of a channel's meter reading."""
        return f"{self.point(channel)}/MeterReading/{channel.name}"

    def kind(self, channel: Channel) -> str:
        """Link of a channel's reading type."""
        stated = ".".join(str(value) for value in _reading_type(channel).values())
        return f"{self.root}/ReadingType/{channel.meter.meter_id}.{channel.name}/{stated}"


def _usage_point(page: _Page, own: Sequence[Channel]) -> Iterator[str]:
    meter = own[0].meter
    kind = _SERVICE.get(own[0].commodity, 0)
    content = f"<espi:UsagePoint>\n<espi:ServiceCategory><espi:kind>{kind}</espi:kind></espi:ServiceCategory>\n"
    related = [f"{page.point(own[0])}/MeterReading", *map(page.reading, own), page.clock]
    yield page.entry(
        page.point(own[0]),
        meter.name or meter.meter_id,
        content + "</espi:UsagePoint>\n",
        up=f"{page.root}/UsagePoint",
        related=related,
    )


def _meter_reading(page: _Page, channel: Channel, zone: str) -> Iterator[str]:
    link, kind = page.reading(channel), page.kind(channel)
    up = f"{page.point(channel)}/MeterReading"
    related = [f"{link}/IntervalBlock", kind]
    yield page.entry(link, channel.name, "<espi:MeterReading/>\n", up=up, related=related)
    content = _element("ReadingType", _reading_type(channel))
    yield page.entry(kind, f"{channel.meter.meter_id} {channel.name}", content, up=f"{page.root}/ReadingType")
    local = pl.from_epoch(pl.col("start_s")).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    months = channel.intervals.with_columns(month=local.dt.truncate("1mo"))
    for block in months.partition_by("month", maintain_order=True):
        own = f"{link}/IntervalBlock/{block['start_s'][0]}"
        yield page.entry(own, channel.name, _block(channel, block), up=f"{link}/IntervalBlock")


def _reading_type(channel: Channel) -> dict[str, object]:
    fields = {
        "accumulationBehaviour": BULK_QUANTITY if channel.is_state else DELTA_DATA,
        "commodity": channel.commodity,
        "currency": channel.currency,
        "defaultQuality": channel.usual_quality,
        "flowDirection": channel.flow,
        "intervalLength": channel.length_s,
        "kind": VOLUME_KIND if channel.unit == "m3" else ENERGY_KIND,
        "powerOfTenMultiplier": channel.power_of_ten,
        "uom": channel.uom,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _clock(clock: LocalTime) -> str:
    return _element(
        "LocalTimeParameters",
        {
            "dstEndRule": f"{clock.end_rule:08X}",
            "dstOffset": clock.summer_s,
            "dstStartRule": f"{clock.start_rule:08X}",
            "tzOffset": clock.offset_s,
        },
    )


def _element(name: str, fields: dict[str, object]) -> str:
    inner = "".join(f"<espi:{field}>{value}</espi:{field}>\n" for field, value in fields.items())
    return f"<espi:{name}>\n{inner}</espi:{name}>\n"


def _block(channel: Channel, block: pl.DataFrame) -> str:
    """A month of intervals. Written column by column: a year of quarter hours is 35,040 of them."""
    begin, end = block.select(pl.col("start_s").first(), end=(pl.col("start_s") + pl.col("seconds")).max()).row(0)
    value = pl.col("quanta") // 10**channel.decimals
    stated = pl.format("<espi:ReadingQuality><espi:quality>{}</espi:quality></espi:ReadingQuality>", "quality")
    cost = pl.lit("")
    if channel.currency is not None:
        cost = pl.format("<espi:cost>{}</espi:cost>", "cost").fill_null("")
    rows = block.select(
        pl.format(
            "<espi:IntervalReading>{}{}"
            "<espi:timePeriod><espi:duration>{}</espi:duration><espi:start>{}</espi:start></espi:timePeriod>"
            "<espi:value>{}</espi:value></espi:IntervalReading>",
            cost,
            pl.when(pl.col("quality") == channel.usual_quality).then(pl.lit("")).otherwise(stated),
            "seconds",
            "start_s",
            value,
        ).str.join("\n")
    ).item()
    whole = f"<espi:duration>{end - begin}</espi:duration><espi:start>{begin}</espi:start>"
    return f"<espi:IntervalBlock>\n<espi:interval>{whole}</espi:interval>\n{rows}\n</espi:IntervalBlock>\n"


def _text(title: str) -> str:
    return escape(_NO_XML.sub("\ufffd", title))


def _urn(link: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"meterloom:{link}").urn
