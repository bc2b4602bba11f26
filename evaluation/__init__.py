"""Numbers about predictions: arrays in, records out."""
