"""The lease: one agent per site. Taking over counts the epoch up, and devices drop commands of an older epoch."""

from datetime import datetime, timedelta

from assets.stores.schema.tables_control import device_leases
from assets.stores.transactions import Store, read_rows, select_rows, site_transaction
from data_quality.contracts.model import Model

# With the device's own 45 s a dead agent's set-point is over within the promised minute.
LEASE_S = 15.0
# One renewal may fail before the holder must stop.
RENEW_S = 5.0
# A holder that cannot renew stops before others may take over: 5 s to bring its devices to their safe default.
STOP_S = 10.0
# Clocks of two machines may differ by so much (I10).
CLOCK_TOLERANCE_S = 2.0


class Lease(Model):
    """Lease of a holder until expires_utc; empty holder: given back, nobody's."""

    site_id: str
    holder: str
    epoch: int
    expires_utc: datetime


def acquire_lease(store: Store, site_id: str, holder: str, *, now_utc: datetime) -> Lease | None:
    """Take the site where nobody holds it, or keep it; None where another holds it. Raises Unreachable.

    A holder that still has it keeps its epoch; every other taking counts it up by one.
    """
    with site_transaction(store, site_id) as connection:
        rows = select_rows(connection, device_leases.select().where(device_leases.c.site_id == site_id))
        expires_utc = now_utc + timedelta(seconds=LEASE_S)
        if not rows:
            lease = Lease(site_id=site_id, holder=holder, epoch=1, expires_utc=expires_utc)
            # Two first agents cannot meet here: the site's lock is held.
            connection.execute(device_leases.insert().values(**lease.model_dump()))
            return lease
        row = rows[0]
        # An expired lease of the same holder is free too: somebody may have acted meanwhile, so its epoch counts up.
        # One that ends later than any lease can was taken by a clock that was ahead: it would lock the site for hours.
        is_free = not now_utc < row["expires_utc"] <= expires_utc + timedelta(seconds=CLOCK_TOLERANCE_S)
        if row["holder"] != holder and not is_free:
            return None
        is_mine = row["holder"] == holder and not is_free
        epoch = row["epoch"] if is_mine else row["epoch"] + 1
        lease = Lease(site_id=site_id, holder=holder, epoch=epoch, expires_utc=expires_utc)
        connection.execute(
            device_leases.update().where(device_leases.c.site_id == site_id).values(**lease.model_dump())
        )
        return lease


def release_lease(store: Store, lease: Lease, *, now_utc: datetime) -> None:
    """Give the site back, if this holder still has it. Raises Unreachable."""
    with site_transaction(store, lease.site_id) as connection:
        connection.execute(
            device_leases.update()
            .where(
                device_leases.c.site_id == lease.site_id,
                device_leases.c.holder == lease.holder,
                device_leases.c.epoch == lease.epoch,
            )
            .values(holder="", expires_utc=now_utc)
        )


def leases(store: Store) -> list[Lease]:
    """The lease of each site that an agent ever had, as it stands. Raises Unreachable."""
    return [Lease(**row) for row in read_rows(store, device_leases.select().order_by(device_leases.c.site_id))]
