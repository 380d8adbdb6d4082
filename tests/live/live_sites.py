"""Sites with live sources, as small as they can be."""

from pathlib import Path

from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import yaml_text


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


def mqtt_site_of(meters: int, *, port: int) -> Site:
    """The same plant, told over MQTT: `plant/mN` carries {"at": ms, "seq": n, "kwh": x}."""
    document = site_of(meters).model_dump(mode="json", exclude_unset=True)
    points = [
        {key: each[key] for key in ("point", "stream", "what", "unit")}
        | {"topic": f"plant/{each['stream']}", "path": "kwh"}
        for each in document["sources"][0]["points"]
    ]
    source = {"source_id": "broker", "kind": "mqtt", "host": "127.0.0.1", "port": port, "is_synthetic": True}
    source |= {"time_path": "at", "time_format": "unix_ms", "seq_path": "seq", "points": points}
    return Site.model_validate(document | {"sources": [source]})


def amounts_site_of(meters: int) -> Site:
    """The same plant, whose meters tell what each minute came to, in kWh."""
    document = site_of(meters).model_dump(mode="json", exclude_unset=True)
    for meter in document["meters"]:
        meter["registers"] = [{"kind": "interval"}]
    (source,) = document["sources"]
    source["points"] = [
        {"point": each["point"], "stream": each["stream"], "what": "interval", "interval_minutes": 1, "unit": "kwh",
         "value_name": each["value_name"]}
        for each in source["points"]
    ]  # fmt: skip
    return Site.model_validate(document)


def project_of(folder: Path, site: Site) -> None:
    """A project of this one site, whose spool may take the last byte of the disk."""
    (folder / "sites").mkdir(exist_ok=True)
    document = site.model_dump(mode="json", exclude_unset=True)
    (folder / "sites" / f"{site.site_id}.yaml").write_text(yaml_text(document))
    (folder / "meterloom.yaml").write_text("live: {keep_free_mb: 0}\n")
