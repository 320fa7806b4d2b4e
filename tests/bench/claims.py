"""Measures claims and writes what comes along with clustlab: clustlab/evidence/measured.json.

    python -m tests.bench.claims --runs DIR [--scale small] [--claims NAME ...]

It goes on where it stood, since runs that are there are not trained again; afterwards
`python -m clustlab docs` brings CLAIMS.md up to date. A claim at a scale that is not measured keeps
the figures that it had, unless it has been changed since.
"""

import argparse
import sys

from clustlab.errors import ClustlabError
from clustlab.evidence import record
from clustlab.evidence.carry_out import carry_out
from clustlab.evidence.catalogue import claims
from clustlab.evidence.claim import SCALES
from clustlab.runs.store import RunStore


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--claims", nargs="+", choices=tuple(claims()), default=list(claims()))
    args = parser.parse_args()
    store = RunStore(args.runs)
    for name in args.claims:
        try:
            found, not_done = carry_out(claims()[name], args.scale, (), store, print)
        except ClustlabError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        verdict = found.verdict(claims()[name])
        print(f"{name}: {verdict}, {found.medians}, {found.seconds:.0f} s, {not_done}", flush=True)
        write(store)


def write(store):
    """Every record that there is, here or along with clustlab, in the order of the claims."""
    newest = [record.newest(store, c, scale) for c in claims().values() for scale in SCALES]
    record.write_shipped(each for each in newest if each is not None)


if __name__ == "__main__":
    main()
