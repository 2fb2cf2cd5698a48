"""Microsoft 365 over Microsoft Graph. Facts and their sources: docs/providers/microsoft365.md."""
