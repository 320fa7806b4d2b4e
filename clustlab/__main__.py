"""The engine without a browser: `python -m clustlab train ...`; see `clustlab/cli/`."""

import sys

from clustlab.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
