"""TF Serving's REST API as data: paths, JSON requests and JSON answers, without HTTP."""
