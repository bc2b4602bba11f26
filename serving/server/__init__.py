"""The embedded server's HTTP side: application, metrics and process."""
