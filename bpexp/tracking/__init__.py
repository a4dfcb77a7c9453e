"""MLflow: the mirror of records into a tracking store, and reading from one."""
