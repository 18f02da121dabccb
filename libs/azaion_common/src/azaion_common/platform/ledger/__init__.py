"""The ledger: cursor, effects and outgoing events in one transaction; consumer, relay and job worker on top."""
