"""What in an image speaks for a network's answer, and how far such explanations can be believed."""
