"""Who gets at data, and who speaks for us at the platforms."""
