"""The verdict: whether the model may be pushed, why, and what changed."""
