"""`python -m tabstep` is `tabstep`."""

from tabstep.cli.app import app

if __name__ == "__main__":
    app()
