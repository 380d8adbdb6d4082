"""No freed page of a database keeps what was erased: SQLite is written anew, PostgreSQL's tables too."""

from assets.stores.tables import TABLES
from assets.stores.transactions import Store, reaching
from assets.stores.warehouse.marts import PORTFOLIO, read_built, write_built
from assets.stores.warehouse.warehouse_postgres import erase_site
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project


def wipe(store: Store) -> None:
    """Write the store's tables anew, without pages and logs of before. Raises Unreachable where another reads it."""
    address = str(store.engine.url)
    if store.engine.dialect.name == "postgresql":
        with reaching(address), store.engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in TABLES:
                free.exec_driver_sql(f"VACUUM (FULL) {table.name}")
            may = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
            free.exec_driver_sql("CHECKPOINT") if free.exec_driver_sql(may).scalar() else None
        return
    with reaching(address):
        raw = store.engine.raw_connection()
        try:
            for words in ("PRAGMA secure_delete=ON", "VACUUM"):
                raw.cursor().execute(words)
            [is_busy, *_] = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            raw.close()
    if is_busy:
        raise Unreachable(f"{store.place}: another process reads the store: end it, and say this again")


def forget_marts(project: Project, store: Store, site_id: str) -> None:
    """Let neither marks nor the warehouse, where it is PostgreSQL, know the site's marts; those of other sites stay.

    Raises OSError, Unreachable.
    """
    for stage in ("kpi", "enpi"):
        built = read_built(project.marts_dir, stage, store.cache)
        months = {name: entry for name, entry in built.months.items() if name.partition("|")[0] != site_id}
        sites = {name: each for name, each in built.sites.items() if name != site_id}
        if sites != built.sites or months != built.months:
            write_built(project.marts_dir, stage, built.model_copy(update={"months": months, "sites": sites}))
    if url := project.settings.database.of("warehouse"):
        erase_site(url, site_id, PORTFOLIO)
