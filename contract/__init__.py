"""What all rooms agree on: settings, features, architectures, errors, progress."""

__version__ = "0.1.0"
