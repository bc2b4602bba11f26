"""Developer tools; neither in the wheel nor in the image."""
