"""Checking the container image without a container engine: its steps, replayed."""
