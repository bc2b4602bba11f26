"""Runs a compiled pipeline as the driver and launcher of Kubeflow Pipelines (KFP) would.

An emulation, for use before a cluster is at hand. Only the compiled YAML drives it, and only
the image's command runs, in one process per attempt, which imports nothing from here.
It was written from the source of KFP's backend, as that has been since exit handlers get a
final status (pull request 11953, June 2025), and of Argo Workflows 3.6.7 and 3.7.3; it was
never compared with a cluster.
It lacks images and their user, resources, node selection, volumes and secrets (give local paths
as run parameters and variables by `environment`); it refuses importers, loops and conditions.
A task that a killed emulator left running is ended when the next run starts.
"""
