"""Preferences of people: locale, theme, their own order of a board. Theirs to erase: nothing rests on it."""

from typing import Any

import sqlalchemy as sa

from assets.stores.schema.tables_web import preferences
from assets.stores.transactions import Repository


class PreferenceStore(Repository):
    """Preferences by person and name."""

    def of_person(self, person_id: str) -> dict[str, Any]:
        """Everything that the person set."""
        query = sa.select(preferences).where(preferences.c.person_id == person_id)
        return {row["name"]: row["value"] for row in self.store.rows(query)}

    def has_any(self, name: str) -> bool:
        """Whether anybody set it."""
        return bool(self.store.rows(sa.select(preferences.c.person_id).where(preferences.c.name == name).limit(1)))

    def put(self, person_id: str, name: str, value: Any) -> None:
        """Set one; None forgets it."""
        mine = (preferences.c.person_id == person_id, preferences.c.name == name)
        with self.store.begin() as connection:
            connection.execute(preferences.delete().where(*mine))
            if value is not None:
                connection.execute(preferences.insert().values(person_id=person_id, name=name, value=value))
