"""The check before a push: a fresh process serves the export, against the trainer."""
