"""The pages start fast: what they never need is not loaded."""

import subprocess
import sys

FOREIGN = (
    "dagster", "dbt", "mlflow", "duckdb", "statsmodels", "sktime", "great_expectations", "reportlab", "sklearn",
    "highspy", "pandas",
)  # fmt: skip
CODE = """
import sys, time
from orchestration.web.app import make_app
print(" ".join(name for name in sys.argv[1:] if name in sys.modules), "|", time.process_time())
"""


def test_the_application_is_imported_without_what_it_never_needs() -> None:
    done = subprocess.run([sys.executable, "-c", CODE, *FOREIGN], capture_output=True, text=True, check=True)
    loaded, _, seconds = done.stdout.partition("|")
    assert loaded.split() == []
    # face.md allows 2 s of the processor on a quiet machine.
    assert float(seconds) < 4
