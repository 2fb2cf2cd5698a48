"""Use cases. They decide; catalog keeps rows, vault keeps bytes, providers speak to platforms, aws wires all."""
