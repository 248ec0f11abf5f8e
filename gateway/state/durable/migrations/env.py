"""Alembic's entry: runs the steps on the connection that `migrating.py` hands over."""

from alembic import context

from gateway.state.durable.migrating import VERSION_TABLE

# The transaction, and the lock that goes with it, are the caller's.
context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
