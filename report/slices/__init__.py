"""The slices of the test split."""
