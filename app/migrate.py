"""Brings the database to this version's tables (Alembic). Importing this module fills `metadata` with every table."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

import app.tables
import commerce.tables
import compliance.tables
import recording.guards
import recording.tables
import rooms.tables
from app.settings import Settings

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
TABLES = (app.tables, commerce.tables, compliance.tables, recording.tables, recording.guards, rooms.tables)


def configuration(database_url: str) -> Config:
    """Alembic's configuration without a file: the scripts beside the packages, the given database."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = database_url
    return config


def migrate(settings: Settings) -> None:
    """Runs what is missing, up to the newest revision."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    command.upgrade(configuration(settings.resolved_database_url), "head")
