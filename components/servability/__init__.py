"""The check of the serving: a fresh process against the trainer."""
