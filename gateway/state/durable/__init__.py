"""The store that outlives processes: SQLite, or PostgreSQL.

`url.py` says where it is, `store.py` asks it, `records.py` and its neighbours keep things in it.
Nothing else knows SQLAlchemy. Importing the package imports none of it: only who opens a store
pays for it.
"""
