"""Source of a site's weather forecasts: a service that is queried, or files that arrive."""

from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

# A schedule that looks on the hour must not skip one because the last look took some minutes.
SLACK = timedelta(minutes=10)


class WeatherFeed(Model):
    """One feed of weather forecasts. `url` is the service's address without its path, `path` a glob in the project."""

    kind: Literal["open_meteo", "bright_sky", "file"]
    url: str = Field(default="", description="https://api.open-meteo.com, https://api.brightsky.dev, or one's own")
    path: str = Field(default="", description="Of kind file: weather/*.json; documents of the services, or tables")
    every_h: int = Field(default=3, ge=1, le=24, description="Hours between two looks")
    is_synthetic: bool = Field(default=False, description="Made up: what rests on it is flagged")

    @model_validator(mode="after")
    def _names_its_place(self) -> Self:
        if self.kind == "file":
            place = PurePosixPath(self.path)
            if not self.path or self.url or place.is_absolute() or ".." in place.parts:
                raise ValueError("kind file needs a path within the project, such as weather/*.json, and no url")
            return self
        parts = urlsplit(self.url)
        if self.path or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"kind {self.kind} needs a url such as https://api.open-meteo.com, and no path")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("url: the address alone, without a password, a query or a #")
        return self

    def is_due(self, last_utc: datetime | None, now_utc: datetime) -> bool:
        """True once it is time to look again. last_utc: when the last issue became known, None before the first."""
        return last_utc is None or now_utc - last_utc >= timedelta(hours=self.every_h) - SLACK
