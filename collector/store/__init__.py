"""Where the collector keeps things: tables, migrations, queries. The only room with SQL.

SQLite by default; every statement is SQLAlchemy Core that PostgreSQL accepts as well.
"""
