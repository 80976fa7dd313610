/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts driver.c on an emulated Cortex-M whose standard streams are files of the host, by semihosting: reads
 * cases.bin and writes outputs.bin in the folder that the emulator was started in. Compile driver.c with
 * -Dmain=driver_main -Dmalloc=guarded_malloc -Dfree=guarded_free, link with newlib's --specs=rdimon.specs.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* System control block: Armv8-M Architecture Reference Manual (DDI 0553), D1.2. */
#define SCB_CCR   (*(volatile uint32_t *)0xE000ED14u)
#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)

extern int driver_main(void);
extern void _start(void);
extern uint32_t __stack[];
void Reset_Handler(void);
void fault(void);

__attribute__((used, section(".vectors"))) static void (*const vectors[16])(void) = {
    (void (*)(void))__stack, Reset_Handler, fault, fault, fault, fault, fault, fault,
};

void Reset_Handler(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    SCB_CPACR |= 0xFu << 20; /* CP10 and CP11: the FPU and the vectors */
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
#if defined(__ARM_ARCH_8_1M_MAIN__)
    SCB_CCR |= 1u << 19; /* LOB: loop counts are kept */
#endif
#if defined(TRAP_UNALIGNED)
    SCB_CCR |= 1u << 3; /* UNALIGN_TRP */
#endif
    _start();
}

void fault(void) {
    fputs("a processor fault\n", stderr);
    _Exit(4);
}

#define GUARD_BYTES 32
#define GUARD       0xa5

/* What driver.c allocates, aligned to 16; it frees the latest first. Behind every allocation lies a guard. */
static uint8_t pool[3 << 20] __attribute__((aligned(16)));
static size_t used = GUARD_BYTES;

static size_t aligned(size_t size) {
    return (size + 15) & ~(size_t)15;
}

void *guarded_malloc(size_t size) {
    uint8_t *const memory = pool + used + sizeof(size_t[4]);
    used += sizeof(size_t[4]) + aligned(size + GUARD_BYTES);
    if (used > sizeof pool) {
        return NULL;
    }
    memcpy(memory - sizeof(size_t), &size, sizeof size);
    memset(memory + size, GUARD, GUARD_BYTES);
    return memory;
}

void guarded_free(uint8_t *memory) {
    size_t size;
    if (memory == NULL) {
        return;
    }
    memcpy(&size, memory - sizeof size, sizeof size);
    for (size_t i = 0; i < GUARD_BYTES; i++) {
        if (memory[size + i] != GUARD) {
            fprintf(stderr, "byte %u behind an array of %u was written\n", (unsigned)i, (unsigned)size);
            exit(6);
        }
    }
    used = (size_t)(memory - pool) - sizeof(size_t[4]);
}

int main(void) {
    if (freopen("cases.bin", "rb", stdin) == NULL || freopen("outputs.bin", "wb", stdout) == NULL) {
        return 5;
    }
    return driver_main();
}
