"""What the model does on the test split."""
