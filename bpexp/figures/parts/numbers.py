"""Numbers as text in figures: 0.01, 10⁻⁴, 3×10⁻⁵, never 1e-05."""

from __future__ import annotations

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PLAIN = 1e-3, 1e5  # range of numbers that are written without a power of ten


def number(value: float, digits: int = 6) -> str:
    """Return a number as text.

    Args:
        value: the number.
        digits: the largest number of significant digits.

    >>> number(0.01), number(1e-4), number(-3e-5), number(2.0), number(1.234e-7, 2)
    ('0.01', '10⁻⁴', '-3×10⁻⁵', '2', '1.2×10⁻⁷')
    """
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0 or PLAIN[0] <= abs(rounded) < PLAIN[1] or not abs(rounded) < float("inf"):
        return f"{rounded:.{digits}g}"
    factor, _, power = f"{rounded:.{digits - 1}e}".partition("e")
    factor = factor.rstrip("0").rstrip(".") if "." in factor else factor
    ten = f"10{str(int(power)).translate(SUPERSCRIPTS)}"
    return {"1": ten, "-1": f"-{ten}"}.get(factor, f"{factor}×{ten}")
