"""The one collection of tables, which their modules share."""

import sqlalchemy as sa

metadata = sa.MetaData()
