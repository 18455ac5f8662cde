"""`python -m gpubp` is the command `gpubp`."""

from gpubp.cli import main

main()
