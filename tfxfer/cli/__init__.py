"""The command `tfxfer`; `main` gathers the recipes and the commands."""
