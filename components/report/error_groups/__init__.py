"""Where a model's errors are: by how images were named and made, not by what they show."""
