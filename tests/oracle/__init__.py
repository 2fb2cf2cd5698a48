"""Clients that nobody here wrote, and the vendor's own description of its answers, against simulator and room."""
