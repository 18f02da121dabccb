"""REST API: login and resources."""
