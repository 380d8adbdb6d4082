"""A small plant with everything that makes KPIs hard: gaps, corrections, DST days, estimates, export, water, gas."""

import random
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import polars as pl

from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, local_midnight_utc
from data_quality.contracts.units import quantise

PLANT = {
    "site_id": "plant",
    "name": "Plant",
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "country": "DE",
    "floor_area_m2": 1234.5,
    "floor_area_definition": "GIA",
    "meters": [
        {
            "meter_id": "main",
            "connected_load_kw": 20000.5,
            "registers": [
                {"register_id": "import"},
                {"register_id": "export"},
                {"register_id": "reactive", "unit": "kvarh"},
            ],
        },
        {"meter_id": "annex"},
        {
            "meter_id": "press",
            "parents": [{"parent": "annex", "valid_to": "2025-03-30"}, {"parent": "main", "valid_from": "2025-03-30"}],
        },
        {"meter_id": "pump", "parent": "main"},
        {"meter_id": "pv", "registers": [{"register_id": "export"}]},
        {"meter_id": "gas", "carrier": "natural_gas"},
        {"meter_id": "water", "carrier": "water", "registers": [{"register_id": "import", "unit": "m3"}]},
    ],
    "drivers": [
        {"driver_id": "count", "unit": "count", "aggregation": "sum"},
        {"driver_id": "outdoor", "unit": "degc", "aggregation": "mean"},
    ],
    "seus": [
        {"seu_id": "moulding", "name": "Moulding", "meters": ["press", "pump"]},
        {"seu_id": "pumping", "name": "Pumping", "meters": ["pump"]},
    ],
    "tariffs": [
        {
            "tariff_id": "tou",
            "valid_from": "2025-03-01",
            "valid_to": "2025-10-27",
            "periods": [
                {
                    "period_id": "day",
                    "price_per_kwh": 0.312345,
                    "day_types": ["weekday"],
                    "start": "06:00",
                    "end": "22:00",
                },
                {
                    "period_id": "night",
                    "price_per_kwh": 0.1987,
                    "day_types": ["weekday"],
                    "start": "22:00",
                    "end": "06:00",
                },
                {"period_id": "rest", "price_per_kwh": 0.21, "day_types": ["weekend", "holiday"]},
            ],
        }
    ],
    "factors": [
        {
            "factor_id": "f1",
            "kgco2e_per_kwh": 0.38,
            "valid_from": "2025-01-01",
            "valid_to": "2025-10-01",
            "source": "s",
        },
        {
            "factor_id": "f2",
            "kgco2e_per_kwh": 0.363001,
            "valid_from": "2025-10-01",
            "valid_to": "2026-01-01",
            "source": "s",
        },
    ],
}
# What the KPIs of the catalogue divide by and among, dated inside of the days that are read.
PREMISES = {
    "occupants": [{"persons": 40, "valid_to": "2025-04-01"}, {"persons": 55, "valid_from": "2025-04-01"}],
    "products": [{"product_id": "parts", "driver": "count", "seus": ["moulding"]}],
    "degree_days": {"driver": "outdoor", "station": "roof", "method": "hourly"},
    "generation": [{"meter": "pv", "register_id": "export"}],
    "renewable_contracts": [
        {"share": 0.5, "valid_to": "2025-04-01", "source": "s"},
        {"share": 0.75, "valid_from": "2025-04-01", "source": "s"},
    ],
    "buildings": [
        {"building_id": "old", "meters": [{"meter": "main"}], "floor_areas": [{"m2": 900, "definition": "GIA"}]}
    ],
    "tenants": [
        {
            "tenant_id": "ann",
            "meters": [{"meter": "press", "share": 0.333333}, {"meter": "pump", "valid_to": "2025-03-31"}],
            "floor_areas": [{"m2": 300, "definition": "NLA"}],
        },
        {
            "tenant_id": "bob",
            "meters": [{"meter": "press", "share": 0.333333}, {"meter": "gas", "by_area": True}],
            "floor_areas": [{"m2": 100, "definition": "NLA"}],
        },
        {
            "tenant_id": "cat",
            "meters": [{"meter": "gas", "by_area": True}],
            "floor_areas": [{"m2": 200, "definition": "NLA"}],
        },
    ],
    "zones": [{"zone_id": "cellar", "building": "old", "meters": [{"meter": "pump", "valid_from": "2025-03-31"}]}],
}
# Tariffs of gas and water beside electricity; gas has none before April.
OTHER_TARIFFS = [
    {
        "tariff_id": "pipe", "commodity": "gas", "valid_from": "2025-04-01", "valid_to": "2026-01-01",
        "periods": [
            {"period_id": "day", "price_per_kwh": 0.071234, "start": "06:00", "end": "22:00"},
            {"period_id": "night", "price_per_kwh": 0.06, "start": "22:00", "end": "06:00"},
        ],
    },
    {
        "tariff_id": "tap", "commodity": "water", "valid_from": "2025-03-01", "valid_to": "2025-10-28",
        "periods": [{"period_id": "all", "price_per_m3": 4.123456}],
    },
]  # fmt: skip
SPANS = ((date(2025, 3, 28), date(2025, 4, 3)), (date(2025, 10, 24), date(2025, 10, 29)))
STREAMS = (
    ("main", "import", "kwh"),
    ("main", "export", "kwh"),
    ("annex", "import", "kwh"),
    ("press", "import", "kwh"),
    ("pump", "import", "kwh"),
    ("pv", "export", "kwh"),
    ("gas", "import", "kwh"),
    ("water", "import", "m3"),
    ("count", "value", "count"),
    ("main", "reactive", "kvarh"),
    ("outdoor", "value", "degc"),
)


def plant(**changes: object) -> Site:
    """The plant's site file."""
    return Site.model_validate(PLANT | changes)


def rich_plant(**changes: object) -> Site:
    """The plant with premises: every KPI of the catalogue has a value or a finding there."""
    return plant(**({"premises": PREMISES, "tariffs": [*PLANT["tariffs"], *OTHER_TARIFFS]} | changes))  # type: ignore[misc]


def random_rows(
    site: Site, *, seed: int, spans: tuple[tuple[date, date], ...] = SPANS, share_missing: float = 0.03
) -> pl.DataFrame:
    """Canonical rows (LAKE_SCHEMA without batch columns, with is_correction) of every stream over local days."""
    rng = random.Random(seed)
    rows = []
    for start, end in spans:
        at = local_midnight_utc(start, site.time_zone)
        while at < local_midnight_utc(end, site.time_zone):
            for meter, register, unit in STREAMS:
                if rng.random() >= share_missing:
                    value = quantise(rng.choice([0.0, 1.0, 30.0, 2000.0]) * rng.random())
                    value = quantise(rng.uniform(-5, 30)) if unit == "degc" else value
                    quality = rng.choice([0, 0, 0, 0, 8, 9, 10])
                    rows.append((site.site_id, meter, register, at, 15, 15, value, unit, quality, len(rows), False))
            at += timedelta(minutes=15)
    schema = {name: LAKE_SCHEMA[name] for name in list(LAKE_SCHEMA)[:11]}
    names = [name for name in LAKE_SCHEMA if name not in ("batch_id", "recorded_at_utc")]
    frame = pl.DataFrame(
        rows, schema=dict(zip(names, (LAKE_SCHEMA[name] for name in names), strict=True)), orient="row"
    )
    assert list(schema) == names
    return frame.with_columns(is_correction=pl.lit(False))


def fill(lake: Lake, site: Site, rows: pl.DataFrame, *, clock: FixedClock, name: str) -> None:
    """Write one batch."""
    info = BatchInfo(
        site_id=site.site_id,
        source_name=name,
        source_sha256=sha256(name.encode()).hexdigest(),
        reader="test",
        reader_version="1",
        accepted_rows=rows.height,
        rejected_rows=0,
        is_synthetic=False,
    )
    lake.write_batch(info, rows, unchanged_rows=0, clock=clock)


def filled_lake(lake: Lake, site: Site, *, seed: int) -> Lake:
    """The lake with random rows, a tenth of which are corrected by a later batch."""
    rows = random_rows(site, seed=seed)
    fill(lake, site, rows, clock=FixedClock(datetime(2025, 11, 1, tzinfo=UTC)), name=f"first{seed}")
    second = rows.sample(fraction=0.1, seed=seed).with_columns(
        value=(pl.col("value") * 1.5 + 0.000000007).round(9), is_correction=pl.lit(True), is_synthetic=pl.lit(False)
    )
    fill(lake, site, second, clock=FixedClock(datetime(2025, 11, 2, tzinfo=UTC)), name=f"second{seed}")
    return lake


PUMPING_KWH = 20000.25


def _expected(seu_id: str, rng: random.Random) -> float:
    """Of pumping what a baseline without drivers expects."""
    return PUMPING_KWH if seu_id == "pumping" else quantise(rng.uniform(1000, 90000))


def expected_days(site: Site, *, seed: int) -> pl.DataFrame:
    """lake.seu_expected_days of both SEUs: one with a day without an expected value, one with the same every day."""
    rng = random.Random(seed)
    rows = [
        (site.site_id, seu.seu_id, start + timedelta(days=day), "b1", 1, _expected(seu.seu_id, rng))
        for seu in site.seus
        for start, end in SPANS
        for day in range((end - start).days)
        if not (seu.seu_id == "moulding" and day == 2)
    ]
    names = ["site_id", "seu_id", "local_date", "baseline_id", "baseline_version", "expected_kwh"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("baseline_version").cast(pl.Int32))
