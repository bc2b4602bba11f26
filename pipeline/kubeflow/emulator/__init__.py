"""Runs a compiled pipeline as the driver and launcher of Kubeflow Pipelines (KFP) would.

An emulation, for use before a cluster is at hand. Only the compiled YAML drives it, and only
the image's command runs, in a process of its own per attempt; nothing here is imported there.
It follows what KFP 2.14 to 2.16 and Argo Workflows 3.6 and 3.7 do, as read in their source.
What it has not: images and their user, resources, node selection, volumes and secrets (give
local paths as run parameters and variables by `environment`), loops, conditions and several
artifacts in one input; the last three are refused.
"""
