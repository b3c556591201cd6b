"""Alembic's environment: runs inside the connection and transaction that `migrate` opened."""

from alembic import context

from moddy.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can alter a table only by copying it.
    render_as_batch=True,
    # All steps in the caller's transaction: an upgrade happens whole or not at all.
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
