"""The platforms on the wire: each keeps a world, enforces the contract, injects faults.

They import nothing of ours.
"""
