"""The messages of annotation tools: the wire format, both ways, and its profiles."""
