"""The tables of the durable store, a module a table.

They say what the code reads and writes; what makes them is in `migrations/`. A test holds the
two together. Instants are seconds since the Unix epoch, of the database's clock.
"""

from sqlalchemy import MetaData

metadata = MetaData()
