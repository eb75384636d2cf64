"""`python -m skyred`: the command line."""

from skyred.cli import main

main(prog_name="skyred")
