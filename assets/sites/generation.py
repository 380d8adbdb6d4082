"""Which meters count what is made on site from the sun."""

from data_quality.contracts.site_file.site import Site

# Registers that a pv asset's meter may count its generation in, the likeliest first.
_GENERATED = ("value", "generation", "export", "import")


def generation(site: Site) -> list[tuple[str, str]]:
    """Meter and register of the site's renewable generation: as declared, or of its pv assets."""
    if site.premises.generation:
        return [(each.meter, each.register_id) for each in site.premises.generation]
    meters = dict.fromkeys(asset.meter for asset in site.assets if asset.kind == "pv" and asset.meter is not None)
    found = []
    for name in meters:
        meter = site.meter(name)
        held = [register.register_id for register in meter.registers] if meter is not None else []
        register = next((each for each in _GENERATED if each in held), None)
        if register is not None:
            found.append((name, register))
    return found
