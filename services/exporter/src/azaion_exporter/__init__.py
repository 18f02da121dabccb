"""Exports trained models and proves that the export equals its source."""
