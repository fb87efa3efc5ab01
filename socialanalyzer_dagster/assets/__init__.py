"""The partitioned assets: thin declarations over the pipeline."""
