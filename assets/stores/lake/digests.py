"""Digests of spans of the lake: of one, and of many at once, which staleness asks about every stored report."""

import hashlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from assets.stores.schema.tables_readings import lake_manifest
from assets.stores.transactions import Store

Span = tuple[str, datetime, datetime]


def digest_of(entries: Iterable[Mapping[str, Any]]) -> str:
    """Digest of the partitions that these manifest rows name."""
    # Sorted as below: both ways must give one digest, in whatever order batches were recorded.
    hashes = sorted(f"{entry['day']}:{entry['content_sha256']}" for entry in entries)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def digests_of(store: Store, spans: Iterable[Span], *, as_of_utc: datetime | None = None) -> dict[Span, str]:
    """For each (site_id, start_utc, end_utc) the digest that Lake.digest gives, by one look at the manifest."""
    by_site: defaultdict[str, set[Span]] = defaultdict(set)
    for span in spans:
        by_site[span[0]].add(span)
    found: dict[Span, str] = {}
    for site_id, (days, lines) in _lines(store, by_site, as_of_utc).items():
        for span in by_site[site_id]:
            first = span[1].astimezone(UTC).date().isoformat()
            # An end is exclusive: a span up to midnight does not touch the day that begins then.
            last = (span[2].astimezone(UTC) - timedelta(microseconds=1)).date().isoformat()
            part = lines[bisect_left(days, first) : bisect_right(days, last)]
            found[span] = hashlib.sha256("\n".join(part).encode()).hexdigest()
    return found


def _lines(store: Store, sites: Iterable[str], as_of_utc: datetime | None) -> dict[str, tuple[list[str], list[str]]]:
    """By site: days as texts, and `day:hash` of every manifest row, both sorted as Lake.digest sorts them."""
    table, wanted = lake_manifest, sorted(sites)
    # As text: a date made of every row would cost more than all the hashing.
    query = sa.select(table.c.site_id, sa.cast(table.c.day, sa.String), table.c.content_sha256)
    query = query.where(table.c.site_id.in_(wanted))
    if as_of_utc is not None:
        query = query.where(table.c.recorded_at_utc <= as_of_utc)
    lines: dict[str, list[str]] = {site_id: [] for site_id in wanted}
    # Past Store.rows: a dict for each of a hundred thousand rows would cost more than the query.
    with store.reading() as connection:
        for site_id, day, sha256 in connection.execute(query):
            lines[str(site_id)].append(f"{day}:{sha256}")
    for each in lines.values():
        each.sort()
    return {site_id: ([line[:10] for line in each], each) for site_id, each in lines.items()}
