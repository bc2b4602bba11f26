"""`python -m serving`: see `serving.command_line`."""

from contract.long_lived import end_program
from serving.command_line import main

if __name__ == "__main__":
    end_program(main())
