"""`python -m tfxfer`."""

from tfxfer.cli import main

main()
