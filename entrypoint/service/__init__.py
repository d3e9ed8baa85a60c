"""The service under load: started, made ready, watched and taken down. Knows nothing of Locust or metrics."""
