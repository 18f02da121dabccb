"""Multiplies stored pictures into augmented variants."""
