"""Where the model is wrong: groups of images, and the most certain errors."""
