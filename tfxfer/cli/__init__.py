"""The command `tfxfer`: `main` gathers recipes and commands."""
