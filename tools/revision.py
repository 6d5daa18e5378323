"""Writes a migration from the difference between the tables in the code and an up-to-date database: `revision.py "why"`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command

from app.migrate import MIGRATIONS, configuration

with tempfile.TemporaryDirectory() as folder:
    config = configuration(f"sqlite+aiosqlite:///{folder}/scratch.db")
    command.upgrade(config, "head")
    number = len(list((MIGRATIONS / "versions").glob("*.py"))) + 1
    command.revision(config, message=sys.argv[1], autogenerate=True, rev_id=f"{number:04}")
    for written in Path(MIGRATIONS / "versions").glob(f"{number:04}_*.py"):
        sys.stdout.write(f"{written}\n")
