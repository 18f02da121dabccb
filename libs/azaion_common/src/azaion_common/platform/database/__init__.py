"""Durable databases: one with a thread of its own for each service, and SQLite files that processes share."""
