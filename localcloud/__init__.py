"""The embedded cloud: an AWS on loopback that the same stacks deploy into, with the simulated platforms beside it."""
