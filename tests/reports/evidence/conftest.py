"""One sealed report of the plant, made once; tests alter copies of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from assets.stores.published.publications import PublicationStore
from assets.stores.published.report_ledger import Revision
from assets.stores.sign import Signer, new_key
from reports.evidence.pack import PackMaker, WrittenPack
from tests.definitions import DEFINITIONS
from tests.reports.conftest import World, make_world
from tests.reports.test_store import report


@dataclass
class Sealed:
    """A world with one stored report, and its pack."""

    world: World
    revision: Revision
    signer: Signer
    maker: PackMaker
    made: WrittenPack

    def make(self, out: Path, policy: str = "full", signer_name: str = "project") -> WrittenPack:
        return self.maker.make(
            self.revision, out, signer=self.signer, signer_name=signer_name, policy=policy, clock=self.world.clock
        )


def seal(folder: Path, used: World) -> Sealed:
    report(used)
    revision = used.reports.revisions()[-1]
    signer = new_key(folder / "keys", "project")
    maker = PackMaker(
        reports=used.reports, publications=PublicationStore(used.lake.store), lake=used.lake, definitions=DEFINITIONS
    )
    made = maker.make(
        revision, folder / "pack.zip", signer=signer, signer_name="project", policy="full", clock=used.clock
    )
    return Sealed(world=used, revision=revision, signer=signer, maker=maker, made=made)


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """The good world's report in a pack. Shared: further packs of it may be made, nothing else."""
    folder = tmp_path_factory.mktemp("sealed")
    used = make_world(folder / "world")
    yield seal(folder, used)
    used.lake.store.close()
