"""Sections of a report: each module makes those of one subject, or none where the run has nothing of it."""
