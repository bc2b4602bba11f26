"""Explanations as the report shows them."""
