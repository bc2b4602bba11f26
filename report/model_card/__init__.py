"""The model card, and the lineage that stands in it."""
