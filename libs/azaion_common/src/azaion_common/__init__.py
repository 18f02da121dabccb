"""Events, streams, jobs, storage, ledger, packages and the service runtime that every Azaion service shares."""
