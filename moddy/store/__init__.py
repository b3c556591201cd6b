"""The store: SQLAlchemy Core over SQLite or PostgreSQL; state that must survive lives here only.

`database` opens it and runs transactions, `migrate` brings the schema up to date, and one module
per subject holds that subject's queries. A query function takes the connection of the caller's
transaction, so that several of them commit together or not at all.
"""
