"""People, API keys and settings as their pages list them, for who may see those."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.model import plain
from orchestration.web.cache import BASE
from orchestration.web.people.seen import known_people, listed_keys, visible_settings
from orchestration.web.request_context import Context, requires

router = APIRouter(prefix=BASE)
# Whose keys and sign-ins these are is kept by nobody on the way.
_KEPT = {"Cache-Control": "no-store"}


@router.get("/people")
def people(ctx: Context = requires(Permission.PEOPLE_ADMIN, shared=())) -> Response:
    """People whom the asker may let in: roles, sites, fingerprint of the public key, password set, sign-ins."""
    found = [
        {
            **each.person.model_dump(include={"person_id", "name", "roles", "sites", "tenants"}),
            "fingerprint": each.fingerprint,
            "has_password": each.has_password,
            "sign_ins": each.signed_in,
        }
        for each in known_people(ctx)
    ]
    return JSONResponse(plain({"people": found}), headers=_KEPT)


@router.get("/keys")
def keys(ctx: Context = requires(Permission.KEYS_OWN, shared=())) -> Response:
    """API keys of the asker; for an engineer those of their sites too. Never a secret: of one, nothing is kept."""
    found = [
        {
            **each.key.model_dump(exclude={"is_revoked"}),
            "owner": each.owner,
            "state": each.state,
            "last_used_utc": each.used_utc,
        }
        for each in listed_keys(ctx)
    ]
    return JSONResponse(plain({"keys": found}), headers=_KEPT)


@router.get("/settings")
def settings(ctx: Context = requires(Permission.SETTINGS_UPDATE, shared=())) -> Response:
    """Settings with value and origin, secrets masked, for admins of all sites (else null); editable site files."""
    shown, is_changed, sites = visible_settings(ctx)
    listing = None if shown is None else [each._asdict() for each in shown]
    listed = [{"site": site, "name": name} for site, name in sites]
    return JSONResponse(plain({"settings": listing, "is_changed": is_changed, "sites": listed}), headers=_KEPT)
