"""One outside thing each: the API."""
