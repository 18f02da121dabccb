"""REST: log in, and keep and hand out small resources such as the small halves of sealed packages."""
