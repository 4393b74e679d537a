"""Alembic looks for this file; the gateway runs migrations itself (`migrating.py`)."""
