"""The platforms on the wire: each keeps a world, enforces the vendor's contract and injects faults. Imports nothing of ours."""
