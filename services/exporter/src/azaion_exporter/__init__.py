"""Exports trained models and proves that each export finds what its source finds."""
