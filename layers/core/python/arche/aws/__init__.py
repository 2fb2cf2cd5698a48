"""The only room that knows AWS: stores, keys, credentials, telemetry, settings and the composition root."""
