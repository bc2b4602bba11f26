"""`python -m serving`: see `serving.command_line`."""

from contract.long_lived import end_program
from serving.command_line import main
from serving.without_keras import leave_out_keras

if __name__ == "__main__":
    leave_out_keras()
    end_program(main())
