"""Names of a site's scopes for people, in the order in which a picker shows them."""

from collections.abc import Mapping

from assets.sites.scopes import scope_spans
from data_quality.contracts.model import once
from data_quality.contracts.site_file.premises import REMAINDER
from data_quality.contracts.site_file.site import Site

# The whole before its parts.
KINDS = ("site", "building", "zone", "tenant", "seu", "asset", "meter")


@once
def scope_names(site: Site) -> Mapping[str, str]:
    """Scope -> its name, as `Compressed air`; where two are called alike each says its kind. The site comes first."""
    known = _own_names(site)
    kinds = {span.scope: span.kind for span in scope_spans(site)}
    # A site without a single reading has a picker too.
    kinds.setdefault(f"site:{site.site_id}", "site")
    found = {scope: _name(scope, known) for scope in sorted(kinds, key=lambda each: KINDS.index(kinds[each]))}
    twice = {name for name in found.values() if list(found.values()).count(name) > 1}
    return {scope: f"{name} ({kinds[scope]})" if name in twice else name for scope, name in found.items()}


def _name(scope: str, known: Mapping[str, str]) -> str:
    whole, _, part = scope.partition("/")
    name = known.get(whole) or whole.partition(":")[2]
    return f"{name}, {part.replace('_', ' ')}" if part else name


def _own_names(site: Site) -> dict[str, str]:
    found = {f"site:{site.site_id}": site.name}
    found |= {f"meter:{each.meter_id}": each.name or each.meter_id for each in site.meters}
    found |= {f"seu:{each.seu_id}": each.name for each in site.seus}
    for kind, parts in site.premises.parts().items():
        found |= {f"{kind}:{part.part_id}": part.name or part.part_id for part in parts}
    for kind, rest in REMAINDER.items():
        found.setdefault(f"{kind}:{rest}", f"{rest} (no {kind})")
    return found
