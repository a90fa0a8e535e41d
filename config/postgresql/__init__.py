"""Django's backend for PostgreSQL, with less work for each request: see base.py."""
