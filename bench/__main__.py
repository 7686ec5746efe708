"""`python -m tabstep` is `tabstep`."""

from tabstep.cli import main

main()
