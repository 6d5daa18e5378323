"""Floor 7, the roof: settings, command line, the two processes' composition roots, identity, middleware, telemetry."""
