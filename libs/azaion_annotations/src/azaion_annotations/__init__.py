"""Annotations as others write them: the platform's messages, labelled folders, and how both become ours."""
