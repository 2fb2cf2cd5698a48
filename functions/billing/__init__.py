"""Entries of the functions of billing: event in, operation, event out."""
