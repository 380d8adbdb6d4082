"""One MLflow store for all tests of this folder: making an empty one takes seconds."""

import pytest

from ml.tracking import MlflowTracker


@pytest.fixture(scope="session")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> MlflowTracker:
    """A tracker on a SQLite store of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    return MlflowTracker(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")
