"""Postgres: the base of all tables, and transactions bound to a tenant."""
