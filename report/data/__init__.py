"""What the report says of a run's data."""
