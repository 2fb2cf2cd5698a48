"""Lambda entry points, one file per function."""
