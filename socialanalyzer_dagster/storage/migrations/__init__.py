"""Alembic migrations, shipped in the package and run by `socialanalyzer db upgrade`."""
