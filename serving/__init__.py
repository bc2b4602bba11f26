"""Serving pushed models: a server for laptops and tests, a client, and files for production."""
