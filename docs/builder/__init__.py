"""What the documentation makes of the package and of what it has measured, before Sphinx builds it."""
