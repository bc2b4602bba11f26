"""Models in memory: loading, versions and batches."""
