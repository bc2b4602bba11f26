"""TFX components and the ingestion that comes before them."""
