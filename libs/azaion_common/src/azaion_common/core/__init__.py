"""What every part stands on: errors, retries, logging, tracing, durable files, asyncio and thread helpers."""
