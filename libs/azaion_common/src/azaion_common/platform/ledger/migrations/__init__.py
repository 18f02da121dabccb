"""Revisions of these tables, oldest first; a released one is never changed."""
