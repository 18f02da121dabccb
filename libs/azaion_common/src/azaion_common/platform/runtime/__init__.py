"""How a service runs: settings, logging, health, signals, transports."""
