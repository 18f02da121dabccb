"""What services run on: streams, jobs, blobs, the ledger, the runtime, the command line."""
