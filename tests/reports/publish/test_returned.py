"""Returned and withdrawn: by role and reason, once, and what they leave a revision as."""

from assets.readings.ingest.published_reports import closed_periods
from assets.stores.published.publications import PublicationStore
from assets.stores.sign import is_signed
from tests.reports import plant
from tests.reports.publish.conftest import REVISION, MakeDesk, store_of

REVIEW, PUBLISH = ("reports", "review", REVISION), ("reports", "publish", REVISION)
RETURN = ("reports", "return", REVISION, "--reason", "the bill of March is missing")
WITHDRAW = ("reports", "withdraw", REVISION, "--reason", "the meter was wired wrongly")


def test_what_was_returned_goes_no_further(desk: MakeDesk) -> None:
    used = desk()
    assert used.run(*RETURN, "--as", "dirk")[0] == 2
    code, said, error = used.run(*RETURN, "--as", "anna")
    assert (code, said["reports"][0]["status"]) == (0, "returned"), error
    assert used.run("reports", "list")[1]["reports"][0]["status"] == "returned"
    for words, person in ((REVIEW, "anna"), (PUBLISH, "dirk"), (RETURN, "both")):
        code, _, error = used.run(*words, "--as", person)
        assert code == 2
        assert "returned" in error
        assert "anna" in error


def test_a_reviewed_report_may_still_be_returned_and_is_not_published_then(desk: MakeDesk) -> None:
    used = desk()
    assert used.run(*REVIEW, "--as", "anna")[0] == 0
    assert used.run(*RETURN, "--as", "both")[0] == 0
    code, _, error = used.run(*PUBLISH, "--as", "dirk")
    assert (code, "was returned by Both (both)" in error) == (2, True)


def test_what_is_out_can_be_withdrawn_with_a_signature_and_stays_closed(desk: MakeDesk) -> None:
    used = desk()
    assert used.run(*WITHDRAW, "--as", "dirk")[0] == 2
    assert (used.run(*REVIEW, "--as", "anna")[0], used.run(*PUBLISH, "--as", "dirk")[0]) == (0, 0)
    kept = sorted((used.folder / "reports" / "published").iterdir())
    before = [each.read_bytes() for each in kept]
    code, said, error = used.run(*WITHDRAW, "--as", "dirk")
    assert (code, said["reports"][0]["status"]) == (0, "withdrawn"), error
    assert used.run(*RETURN, "--as", "anna")[0] == 2
    assert used.run(*WITHDRAW, "--as", "both")[0] == 2
    assert "withdrawn" in used.run("reports", "deliver", REVISION)[2]
    store = store_of(used)
    signed = PublicationStore(store).signatures(REVISION)
    assert [each.kind for each in signed] == ["reports review", "reports publish", "reports withdraw"]
    assert all(is_signed(each) for each in signed)
    assert len(closed_periods(store, plant.plant_site())) == 1
    store.close()
    assert [each.read_bytes() for each in kept] == before
