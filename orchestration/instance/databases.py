"""The databases of a project, made ready before anybody connects: Dagster and MLflow make tables as soon as they do."""

from assets.stores.postgres import ensure_schema
from assets.stores.transactions import open_store
from data_quality.contracts.settings import Project


def ensure_schemas(project: Project) -> None:
    """Make the schemas of Dagster and MLflow where PostgreSQL holds them. Raises Unreachable."""
    database = project.settings.database
    for url in filter(None, [database.of("dagster"), database.of("mlflow")]):
        ensure_schema(url)


def prepare_databases(project: Project) -> None:
    """Every schema, and the store's tables: agents open the store without migrations. Raises Unreachable, BadInput."""
    open_store(project.store_url).close()
    ensure_schemas(project)
