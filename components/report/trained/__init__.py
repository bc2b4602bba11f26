"""What training has left, as the report shows it."""
