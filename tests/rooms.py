"""The packages that are installed and run in pods."""

ROOMS = (
    *("contract", "ingestion", "evaluation", "models"),
    *("serving", "report", "components", "pipeline"),
)
