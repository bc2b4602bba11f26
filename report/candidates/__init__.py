"""The candidates: what competed, how it was trained, and why the winner won."""
