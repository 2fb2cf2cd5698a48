"""Entries of the functions of restore: event in, operation, event out."""
