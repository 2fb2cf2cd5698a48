"""Entries of the functions of backup: event in, operation, event out."""
