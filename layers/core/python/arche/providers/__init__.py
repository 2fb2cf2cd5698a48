"""The platforms: one room each, all of the same shape (contract.py)."""
