"""The command line with the fake method, for child processes."""

import sys

from clustlab.__main__ import main
from tests.support.fakes import install

install()
sys.exit(main())
