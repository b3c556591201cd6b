"""Moddy's HTTP side: the internal API for the backend, and the public liveness page."""
