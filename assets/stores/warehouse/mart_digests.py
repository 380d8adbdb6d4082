"""Digests of published marts: a file a site and stage, whose own digest the store keeps as it does of reports.

Nobody need edit the lake to change a figure: the Parquet files of a mart are what pages and reports read.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from assets.stores.file_hashes import file_sha256
from assets.stores.published.rendered_files import RenderedFiles
from assets.stores.transactions import Store
from assets.stores.warehouse.marts import MARTS, mart_file
from assets.stores.whole_file import whole_file
from data_quality.contracts.time import Clock

FOLDER = "digests"
# A site's files of one stage: `mart/year.parquet` -> SHA-256.
_DIGESTS = TypeAdapter(dict[str, str])


class Compared(NamedTuple):
    """Paths under the marts folder. unknown: files of digests of which the store keeps none, so that what they name is
    not counted as whole. is_publishing: a publication is under way, or was broken off.
    """

    whole: int
    changed: tuple[str, ...]
    is_publishing: bool
    unknown: tuple[str, ...] = ()


class MartDigests:
    """Digests of the marts of a project. marts_dir: where its marts are published."""

    def __init__(self, store: Store, marts_dir: Path) -> None:
        self.marts_dir, self.folder = marts_dir, marts_dir / FOLDER
        self._kept = RenderedFiles(store, marts_dir.parent)

    @contextmanager
    def publishing(self, stage: str) -> Iterator[None]:
        """Around the writing of marts and `record`: until both are done nobody calls a file edited."""
        mark = self.folder / f"publishing_{stage}"
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        yield
        # Only where nothing was raised: what was broken off is published again, whole.
        mark.unlink(missing_ok=True)

    def record(self, stage: str, written: Mapping[str, Mapping[str, Collection[int]] | None], clock: Clock) -> None:
        """Keep the digests of what was published. written: mart -> site -> years, None for all that lies there."""
        by_site: dict[str, dict[str, str | None]] = {}
        for mart, years in written.items():
            stated = ((site_id, year) for site_id, span in (years or {}).items() for year in span)
            for site_id, year in self._files(mart) if years is None else stated:
                path = mart_file(self.marts_dir / mart, site_id, year)
                digest = file_sha256(path) if path.exists() else None
                by_site.setdefault(site_id, {})[f"{mart}/{path.name}"] = digest
        with self._kept.store.together():
            for site_id, new in by_site.items():
                known = {} if None in written.values() else self._read(self._path(site_id, stage))
                every = {name: digest for name, digest in {**known, **new}.items() if digest is not None}
                self._write(self._path(site_id, stage), every, clock)

    def compare(self) -> Compared:
        """Look at every mart of which a digest is kept. A site that was published before there were any has none."""
        kept = self._kept.digests(f"{self.marts_dir.name}/{FOLDER}/")
        whole, changed, unknown = 0, list[str](), list[str]()
        for path in sorted(self.folder.glob("site=*/*.json")):
            name = path.relative_to(self.marts_dir).as_posix()
            known = kept.pop(f"{self.marts_dir.name}/{name}", None)
            if known is None:
                unknown.append(name)
            elif known != file_sha256(path):
                changed.append(name)
            for file, digest in self._read(path).items():
                mart, _, year = file.partition("/")
                place = self.marts_dir / mart / path.parent.name / year
                is_whole = place.exists() and file_sha256(place) == digest
                whole += is_whole and known is not None
                changed += [] if is_whole else [place.relative_to(self.marts_dir).as_posix()]
        # A digest that is gone while its marts are there was taken away; a site that left the project took both.
        lost = (name.partition("/")[2] for name in kept)
        changed += [name for name in lost if any(self.marts_dir.glob(f"mart_*/{Path(name).parent.name}/*.parquet"))]
        return Compared(whole, tuple(changed), any(self.folder.glob("publishing_*")), tuple(unknown))

    def _files(self, mart: str) -> Iterator[tuple[str, int]]:
        for path in (self.marts_dir / mart).glob("site=*/*.parquet"):
            yield path.parent.name.removeprefix("site="), int(path.stem)

    def _path(self, site_id: str, stage: str) -> Path:
        return self.folder / f"site={site_id}" / f"{stage}.json"

    def _read(self, path: Path) -> dict[str, str]:
        try:
            found = _DIGESTS.validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}
        return {name: digest for name, digest in found.items() if name.partition("/")[0] in MARTS}

    def _write(self, path: Path, digests: Mapping[str, str], clock: Clock) -> None:
        with whole_file(path) as part:
            part.write_bytes(_DIGESTS.dump_json(dict(sorted(digests.items())), indent=1))
            self._kept.record(path, "marts", 0, file_sha256(part), clock)
