"""Routes by noun: each maps a request to one operation and its result to a shape."""
