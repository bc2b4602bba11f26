"""`python -m serving`: see `serving.command_line`."""

import sys

from serving.command_line import main

if __name__ == "__main__":
    sys.exit(main())
