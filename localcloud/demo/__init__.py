"""The demo: one real-looking customer through the real stacks, proven by what the source shows over the wire."""
