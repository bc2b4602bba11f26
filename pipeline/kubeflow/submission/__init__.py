"""Submitting a compiled pipeline to KFP, and following its run."""
