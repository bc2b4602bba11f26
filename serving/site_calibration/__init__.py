"""A threshold for another site: see docs/site-calibration.md."""
