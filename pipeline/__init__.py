"""The pipeline: its configuration, its one DAG, and what surrounds a run."""

__version__ = "0.1.0"
