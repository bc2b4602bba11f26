"""What people read of a run, one package per section of the page."""
