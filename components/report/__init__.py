"""The run's report: one page for the radiologist, the engineer and the auditor."""
