"""The final model on sets of X-rays from outside the training data, after the choice."""
