"""`python -m serving.client`: see `serving.client.command_line`."""

import sys

from serving.client.command_line import main

if __name__ == "__main__":
    sys.exit(main())
