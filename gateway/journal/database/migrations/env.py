"""Alembic looks for this file; the gateway runs migrations itself (`upgrading.py`)."""
