"""Settings as people may see them: the value that holds, where it comes from, and of a secret only that it is set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from data_quality.contracts.settings import Settings, load_settings, overrides
from data_quality.contracts.yaml_file import SECRET_ENDINGS, load_yaml

MASKED = "••••••••"
Origin = Literal["default", "file", "environment"]


class EffectiveSetting(NamedTuple):
    """One setting. name: section.key; value: masked where it may hold a secret, empty where nothing is set."""

    name: str
    value: str
    origin: Origin
    about: str


def effective_settings(path: Path, env: Mapping[str, str]) -> list[EffectiveSetting]:
    """Every setting of a project in the order of the contract. Raises BadConfiguration as `load_settings`."""
    document = load_yaml(path) if path.exists() else {}
    settings = load_settings(path, env)
    named = {(section, key) for _, section, key, _ in overrides(env)}
    written = {(section, key) for section, values in document.items() for key in values or ()}
    return [
        EffectiveSetting(
            f"{section}.{key}",
            _shown(key, getattr(part, key), is_secret=(field.description or "").startswith("Secret")),
            "environment" if (section, key) in named else "file" if (section, key) in written else "default",
            field.description or "",
        )
        for section in Settings.model_fields
        for part in [getattr(settings, section)]
        for key, field in type(part).model_fields.items()
    ]


def _shown(key: str, value: Any, *, is_secret: bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    if not text:
        return ""
    if is_secret or (key.endswith(SECRET_ENDINGS) and "://" not in text):
        return MASKED
    return _address(key, text) if "://" in text else text


def _address(key: str, text: str) -> str:
    """An address without what lets somebody in: a password before its host, or a token in a webhook's path."""
    parts = urlsplit(text)
    host = parts.netloc.rpartition("@")[2]
    rest = parts.path + ("?" if parts.query else "")
    if key.endswith(SECRET_ENDINGS) and rest.strip("/"):
        rest = "/…"
    return f"{parts.scheme}://{f'{MASKED}@' if '@' in parts.netloc else ''}{host}{rest}"
