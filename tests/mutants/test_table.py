"""The page of the mutants says what the kept results say."""

from tests.mutants.sql import edits
from tests.mutants.table import PAGE, ROOT, page
from tests.mutants.targets import TARGETS


def test_the_page_is_that_of_the_kept_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_target_has_modules_and_tests() -> None:
    for target in TARGETS.values():
        assert all(any(ROOT.glob(pattern)) for pattern in target.modules)
        for path, _, test in (name.partition("::") for name in target.tests):
            assert (ROOT / path).exists()
            assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_a_number_of_a_type_and_a_text_are_no_places_but_sql_inside_jinja_is() -> None:
    kpis = "{% set kpi = \"case when a = 0 then 'x 1' end\" %}"
    text = kpis + " select cast(sum(b) as decimal(38, 9)), 'c = 1' from {{ ref('d') }}"
    found = [(text[start:end], change) for place in edits(ROOT, text) for _, start, end, change in place]
    assert found == [("=", "<>"), ("0", "1"), ("sum", "max")]
