"""Runs ``compose.yaml`` for real, from images to a published model, and says which images were stand-ins."""
