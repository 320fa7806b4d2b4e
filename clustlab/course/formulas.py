"""How numbers are written inside the formulas of a lesson."""


def in_formula(value: float, digits: int = 4) -> str:
    """A number with so many digits for KaTeX, which would set the e of 1e+05 as a letter."""
    number, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{number} \\cdot 10^{{{int(exponent)}}}" if exponent else number
