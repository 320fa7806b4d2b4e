"""The command `app`: the pages, served to a browser."""

import argparse
import os
import subprocess
import sys

import clustlab
from clustlab.cli.command import Command, whole_number


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", metavar="N", help="default: 8501, or the next that is free")
    parser.add_argument(
        "--open", action="store_true", help="open a browser (default: print the address)"
    )


def _app(args: argparse.Namespace) -> int:
    words = [sys.executable, "-m", "streamlit", "run", str(clustlab.app_folder() / "app.py")]
    if args.port is not None:
        words.append(f"--server.port={whole_number('port', args.port, '--port 8502')}")
    if args.open:
        words.append("--server.headless=false")
    runs = {"CLUSTLAB_RUNS": os.path.abspath(args.runs)} if args.runs else {}
    env = {**os.environ, **runs}
    if os.name == "posix":
        os.execve(words[0], words, env)  # this process is the server from here on
    return subprocess.run(words, env=env, check=False).returncode


APP = Command("app", "Serve the pages to a browser on this machine.", _app, _add_arguments)
