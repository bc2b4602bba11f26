"""The model on sets from outside the training data."""
