/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How compilers are to treat the loops of the kernels. A loop over products needs nearly all registers of
 * a Cortex-M: it keeps them if it has a function of its own and is not unrolled; without, gcc -Os and
 * clang -O2 spill half of them (measured on a Cortex-M4: 4 to 9 instructions a product instead of 3 to 4).
 * Unrolling the other loops triples their size and gains nothing. What such a loop calls has to be part of
 * it: compilers that optimise for size make calls of small functions, too.
 */
#ifndef EDGEKIT_LOOPS_H
#define EDGEKIT_LOOPS_H

#if defined(__GNUC__)
#define EK_NOINLINE __attribute__((noinline))
#define EK_INLINE   static inline __attribute__((always_inline))
#else
#define EK_NOINLINE
#define EK_INLINE static inline
#endif

#if defined(__clang__)
#define EK_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define EK_NO_UNROLL
#endif

#endif /* EDGEKIT_LOOPS_H */
