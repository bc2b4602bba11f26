"""The pipeline on open-source Kubeflow Pipelines v2: compiling, and what runs in the pods."""
