"""What every Azaion service shares: events, streams, jobs, storage, the ledger, packages and the service runtime."""

__version__ = "0.1.0"
