"""Arche: cloud-to-cloud backup. The packages below follow one rule of arrows, see docs/design.md."""
