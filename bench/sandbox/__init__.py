"""Processes of strangers: code from outside runs in one of its own, which is watched and ended with all it started."""
