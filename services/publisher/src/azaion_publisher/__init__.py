"""Seals exported models, puts the two halves where they belong, and releases what it has read back."""
