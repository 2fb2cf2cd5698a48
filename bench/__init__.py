"""Figures beside their targets: one command prints a table and writes one JSON file."""
