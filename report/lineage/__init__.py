"""Lineage: what the model was made from, by which code, and in which steps."""
