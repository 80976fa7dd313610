/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where constants lie on processors whose program memory is no part of the address space: the 8-bit AVRs.
 * There a plain `const` object takes RAM. One that is EK_FLASH stays in flash, is read by instructions of its
 * own (LPM), and only a pointer that says so too may point to it:
 *
 *     static const EK_FLASH int8_t weights[64] = { ... };
 *     const EK_FLASH int8_t *weight = weights;
 *
 * Everywhere else EK_FLASH is nothing, and the same code is ordinary C.
 *
 * On AVR it is __flash (Embedded C, ISO/IEC TR 18037, as avr-gcc has it): 16-bit pointers into the first 64
 * KB of flash, where the linker puts these constants, after the vectors and before all code. C++ has no such
 * qualifier: its structs have the same layout, but must not follow pointers that are EK_FLASH in C. Of the
 * interfaces of an application, none has any.
 */
#ifndef EDGEKIT_EK_FLASH_H
#define EDGEKIT_EK_FLASH_H

#if defined(__AVR__) && !defined(__cplusplus)
#ifndef __FLASH
#error "C for AVR needs a compiler with __flash: avr-gcc with -std=gnu11 or -std=gnu99"
#endif
#define EK_FLASH __flash
#else
#define EK_FLASH
#endif

#endif /* EDGEKIT_EK_FLASH_H */
