"""`python -m tfxfer`."""

from tfxfer.cli.main import main

main()
