"""Fetches, verifies and runs published models on video."""
