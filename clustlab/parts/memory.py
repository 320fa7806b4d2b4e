"""Whether what a method is about to hold at once fits into memory, asked before it is asked for."""

import math

import psutil

from clustlab.errors import ParameterError

SPARE = 0.1  # of what is free is left to everything else


def free_bytes() -> int:
    """Bytes that this machine can hand out without moving others to the disk."""
    return int(psutil.virtual_memory().available)


def check_fits(what: str, n: int, bytes_each: float, *, power: int = 1) -> None:
    """Nothing, if an array of n items fits into memory.

    Parameters
    ----------
    what : str
        What takes it, as the subject of a sentence, such as "A pass over all items".
    n : int
        Items.
    bytes_each : float
        Of an item; with `power` 2, of a pair of items.

    Raises
    ------
    ParameterError
        If it does not; it says how many items do.
    """
    there = (1 - SPARE) * free_bytes()
    needed = bytes_each * n**power
    if needed <= there:
        return
    most = int((there / bytes_each) ** (1 / power))
    digits = max(0, len(str(most)) - 2)
    most = most // 10**digits * 10**digits  # to two digits: more of them would promise too much
    way = "lower max_items to as many" if power == 2 else "draw as many"
    raise ParameterError(
        f"{what} takes {in_gb(needed)} of memory for {n:,} items, and {in_gb(there)} can be had.",
        f"It has room for {most:,} items: {way}, or close other programs.",
    )


def in_gb(n_bytes: float) -> str:
    """Bytes in words, such as `3.1 GB`."""
    gb = n_bytes / 1e9
    return f"{gb:.1f} GB" if gb < 100 or not math.isfinite(gb) else f"{gb:,.0f} GB"
