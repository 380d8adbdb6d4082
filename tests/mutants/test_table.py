"""The page of the mutants says what the kept results say."""

from tests.mutants.table import PAGE, ROOT, page
from tests.mutants.targets import TARGETS


def test_the_page_is_that_of_the_kept_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_target_has_modules_and_tests() -> None:
    for target in TARGETS.values():
        assert all(any(ROOT.glob(pattern)) for pattern in target.modules)
        assert all((ROOT / name.partition("::")[0]).exists() for name in target.tests)
