"""The pages start with what they need: nothing else is loaded. What the start takes is in `tests.bench.web_bench`."""

import subprocess
import sys

FOREIGN = (
    "dagster", "dbt", "mlflow", "duckdb", "statsmodels", "sktime", "great_expectations", "reportlab", "sklearn",
    "highspy", "pandas",
)  # fmt: skip
CODE = """
import sys
from orchestration.web.app import make_app
print(" ".join(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_the_application_is_imported_without_what_it_never_needs() -> None:
    done = subprocess.run([sys.executable, "-c", CODE, *FOREIGN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
