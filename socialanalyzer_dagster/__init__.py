"""Creator-lead pipeline on Dagster: search in, scored and approved CRM contacts out."""
