/* SPDX-License-Identifier: Apache-2.0 */
#include "ek_cortex_m.h"

#include <stddef.h>

#include "edgekit/ek_port.h"

/* System control block: Armv7-M Architecture Reference Manual (DDI 0403E), B3.2. */
#define SCB_ICSR  (*(volatile uint32_t *)0xE000ED04u)
#define SCB_VTOR  (*(volatile uint32_t *)0xE000ED08u)
#define SCB_AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
#define SCB_CFSR  (*(volatile uint32_t *)0xE000ED28u)
#define SCB_HFSR  (*(volatile uint32_t *)0xE000ED2Cu)
#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)

#define ICSR_VECTACTIVE_MASK  0x1FFu
#define AIRCR_SYSRESETREQ     0x05FA0004u
#define CPACR_FULL_CP10_CP11  (0xFu << 20)
#define STACK_PAINT           0xC5C5A5A5u
#define EXCEPTION_FRAME_BYTES 32u

extern int main(void);

/* Given by the linker script; only the addresses mean anything. */
extern uint32_t ek_stack_bottom[], ek_stack_top[];
extern uint32_t ek_data_start[], ek_data_end[], ek_data_load[];
extern uint32_t ek_bss_start[], ek_bss_end[];

static void fault_entry(void);

typedef union vector {
    const uint32_t *stack_top;
    void (*handler)(void);
} vector;

__attribute__((used, section(".vectors"))) static const vector vectors[16] = {
    {.stack_top = ek_stack_top},  {.handler = Reset_Handler}, {.handler = fault_entry}, /* NMI */
    {.handler = fault_entry},                                                           /* HardFault */
    {.handler = fault_entry},                                                           /* MemManage */
    {.handler = fault_entry},                                                           /* BusFault */
    {.handler = fault_entry},                                                           /* UsageFault */
    {.handler = fault_entry},                                                           /* SecureFault */
    {.handler = fault_entry},     {.handler = fault_entry},   {.handler = fault_entry},
    {.handler = fault_entry},                               /* SVCall */
    {.handler = fault_entry},                               /* DebugMonitor */
    {.handler = fault_entry},     {.handler = fault_entry}, /* PendSV */
    {.handler = SysTick_Handler},
};

static void paint_stack(void) {
    uint32_t *stack_pointer;
    __asm__ volatile("mov %0, sp" : "=r"(stack_pointer));
    for (volatile uint32_t *word = ek_stack_bottom; word < stack_pointer; ++word) {
        *word = STACK_PAINT;
    }
}

void Reset_Handler(void) {
#if defined(__ARM_FP)
    SCB_CPACR |= CPACR_FULL_CP10_CP11;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
#if !defined(__ARM_ARCH_6M__)
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
#endif
    paint_stack();
    const uint32_t *from = ek_data_load;
    for (uint32_t *to = ek_data_start; to < ek_data_end; ++to, ++from) {
        *to = *from;
    }
    for (uint32_t *to = ek_bss_start; to < ek_bss_end; ++to) {
        *to = 0;
    }
    (void)main();
    ek_cortex_m_stop();
}

uint32_t ek_cortex_m_stack_used_bytes(void) {
    const volatile uint32_t *word = ek_stack_bottom;
    while (word < ek_stack_top && *word == STACK_PAINT) {
        ++word;
    }
    return (uint32_t)((uintptr_t)ek_stack_top - (uintptr_t)word);
}

_Noreturn void ek_cortex_m_system_reset(void) {
    __asm__ volatile("dsb" ::: "memory");
    SCB_AIRCR = AIRCR_SYSRESETREQ;
    for (;;) {
    }
}

__attribute__((weak)) _Noreturn void ek_cortex_m_stop(void) {
    for (;;) {
        __asm__ volatile("udf #0");
    }
}

/* Not inlined: clang would unroll each sentence into immediate stores, at three times its size. */
__attribute__((noinline)) static char *append_text(char *to, const char *text) {
    while (*text != '\0') {
        *to++ = *text++;
    }
    return to;
}

__attribute__((noinline)) static char *append_hex(char *to, const char *label, uint32_t value) {
    to = append_text(to, label);
    for (unsigned shift = 32; shift != 0; shift -= 4) {
        *to++ = "0123456789abcdef"[(value >> (shift - 4)) & 0xFu];
    }
    return to;
}

/* `frame` is where the processor stored r0-r3, r12, lr, pc, xpsr when it took the exception. */
__attribute__((used)) static _Noreturn void report_fault(const uint32_t *frame) {
    char line[128];
    char *end = line;
    const uintptr_t bottom = (uintptr_t)ek_stack_bottom;
    const uintptr_t top = (uintptr_t)ek_stack_top;
    const uintptr_t address = (uintptr_t)frame;

    *end++ = '\0';
    end = append_hex(end, "\r\nedgekit: processor fault, exception=0x", SCB_ICSR & ICSR_VECTACTIVE_MASK);
    if (address < bottom) {
        end = append_text(end, " stack overflow");
    } else if (address <= top - EXCEPTION_FRAME_BYTES) {
        end = append_hex(end, " pc=0x", frame[6]);
        end = append_hex(end, " lr=0x", frame[5]);
    }
#if !defined(__ARM_ARCH_6M__)
    end = append_hex(end, " cfsr=0x", SCB_CFSR);
    end = append_hex(end, " hfsr=0x", SCB_HFSR);
#endif
    end = append_text(end, "\r\n");
    *end++ = '\0';
    ek_port_write((const uint8_t *)line, (size_t)(end - line));
    ek_port_flush();
    ek_cortex_m_stop();
}

/*
 * Hands the exception frame to report_fault, on the interrupted stack where that still has room for
 * the report, else on the stack's top: what lay there is lost anyway.
 */
__attribute__((naked, used)) static void fault_entry(void) {
    __asm__ volatile("mrs r0, msp\n"
                     "ldr r1, =ek_stack_bottom + 512\n"
                     "cmp r0, r1\n"
                     "bhs 1f\n"
                     "ldr r1, =ek_stack_top\n"
                     "msr msp, r1\n"
                     "1:\n"
                     "ldr r1, =report_fault\n"
                     "bx r1\n"
                     ".ltorg\n");
}
