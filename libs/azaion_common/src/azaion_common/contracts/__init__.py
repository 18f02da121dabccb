"""What several programs have to agree on: events, jobs, the class catalogue, the annotation messages."""
