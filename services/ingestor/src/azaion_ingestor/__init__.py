"""Stores annotated pictures from the annotation stream."""
