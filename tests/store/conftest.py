"""A migrated database, on SQLite and on PostgreSQL."""

from tests.migrated import (
    database,
    migrated_postgresql_url,
    migrated_sqlite_file,
    migrated_url,
)

__all__ = ["database", "migrated_postgresql_url", "migrated_sqlite_file", "migrated_url"]
