"""What several programs have to agree on: events, the class catalogue, the annotation messages."""
