"""Attacks on an HTTP server, bounded in count and time, and somebody who wants to be served meanwhile."""
