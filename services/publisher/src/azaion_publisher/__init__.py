"""Seals, splits and publishes exported models."""
