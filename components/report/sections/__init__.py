"""The report's sections: each module builds one from what the run left."""
