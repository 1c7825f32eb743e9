"""Azure ML on a laptop: the REST surface that the unmodified azure-ai-ml client uses, with jobs that really run."""
