"""Requantization with fewer instructions than the double rounding takes, and the same byte for every sum.

What an output channel makes of its sum is a staircase (``staircase.py``). Cores differ in what they multiply
cheaply, so there are several forms of a line that is rounded and cut off:

========================  =======================================================================
``one_factor.py``         one multiplication with a result of 64 bits (SMMLA)
``two_factors.py``        two multiplications of 32 bits (Armv6-M, RV32)
``fine_sums.py``          one that doubles and keeps the upper half (VQDMULH), of finer sums
========================  =======================================================================

Each looks for a factor near the real one and for an offset with which the line is right on both sides of
every edge of the staircase. As both only grow in between, they are then equal everywhere: nothing is sampled.
"""
