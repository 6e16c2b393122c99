"""What owners decided for everybody, kept beside the accounts: short texts by name."""

import sqlalchemy as sa

from workbench.core.home import Home
from workbench.preferences import store, tables

SETTINGS = tables.people_settings


def read_setting(home: Home, name: str) -> str:
    """The text kept under this name, "" where nothing was decided."""
    with store.reading(home) as db:
        return db.scalar(sa.select(SETTINGS.c.value).where(SETTINGS.c.name == name)) or ""


def write_setting(db: sa.Connection, name: str, value: str) -> None:
    """Keeps a text under this name, within a transaction."""
    if db.execute(SETTINGS.update().where(SETTINGS.c.name == name).values(value=value)).rowcount == 0:
        db.execute(SETTINGS.insert().values(name=name, value=value))
