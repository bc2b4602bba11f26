"""The pipeline: its settings files, its one DAG, and what surrounds a run."""
