"""Sites with live sources, as small as they can be."""

from data_quality.contracts.site_file.site import Site


def site_of(meters: int, *, source: str = "line", address: str = "127.0.0.1:5020/1") -> Site:
    """A plant of so many meters m0, m1 …, each with one cumulative register that one source tells as `mN.kwh`."""
    names = [f"m{number}" for number in range(meters)]
    points = [
        {"point": f"{each}.kwh", "stream": each, "what": "register", "unit": "kwh", "value_name": "read_import_kwh"}
        for each in names
    ]
    return Site.model_validate(
        {
            "site_id": "plant",
            "name": "Plant",
            "time_zone": "Europe/Berlin",
            "currency": "EUR",
            "country": "DE",
            "meters": [{"meter_id": each, "registers": [{"kind": "cumulative"}]} for each in names],
            "sources": [
                {
                    "source_id": source,
                    "kind": "modbus",
                    "is_synthetic": True,
                    "address": address,
                    "template": "meter_sdm630",
                    "points": points,
                }
            ],
        }
    )
