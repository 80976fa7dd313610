/* SPDX-License-Identifier: Apache-2.0 */
#include "ek_cortex_m.h"

/* System control block: Armv7-M Architecture Reference Manual (DDI 0403E), B3.2. */
#define SCB_ICSR  (*(volatile uint32_t *)0xE000ED04u)
#define SCB_VTOR  (*(volatile uint32_t *)0xE000ED08u)
#define SCB_AIRCR (*(volatile uint32_t *)0xE000ED0Cu)
#define SCB_CCR   (*(volatile uint32_t *)0xE000ED14u)
#define SCB_CFSR  (*(volatile uint32_t *)0xE000ED28u)
#define SCB_HFSR  (*(volatile uint32_t *)0xE000ED2Cu)
#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)

#define ICSR_VECTACTIVE_MASK 0x1FFu
#define AIRCR_SYSRESETREQ    0x05FA0004u
#define CPACR_FULL_CP10_CP11 (0xFu << 20)
/* Loop counts are kept by the processor, not computed anew: Armv8-M (DDI 0553), D1.2, CCR. */
#define CCR_LOB               (1u << 19)
#define EXCEPTION_FRAME_BYTES 32u

extern int main(void);

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

void Reset_Handler(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    SCB_CPACR |= CPACR_FULL_CP10_CP11;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
#if defined(__ARM_ARCH_8_1M_MAIN__)
    SCB_CCR |= CCR_LOB;
#endif
#if !defined(__ARM_ARCH_6M__)
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
#endif
    ek_startup_memory();
    (void)main();
    ek_startup_stop();
}

_Noreturn void ek_cortex_m_system_reset(void) {
    __asm__ volatile("dsb" ::: "memory");
    SCB_AIRCR = AIRCR_SYSRESETREQ;
    for (;;) {
    }
}

/* `frame` is where the processor stored r0-r3, r12, lr, pc, xpsr when it took the exception. */
__attribute__((used)) static _Noreturn void report_fault(const uint32_t *frame) {
    ek_startup_report report;
    const uintptr_t bottom = (uintptr_t)ek_stack_bottom;
    const uintptr_t top = (uintptr_t)ek_stack_top;
    const uintptr_t address = (uintptr_t)frame;

    ek_startup_report_begin(&report);
    ek_startup_report_hex(&report, " exception=0x", SCB_ICSR & ICSR_VECTACTIVE_MASK);
    if (address < bottom) {
        ek_startup_report_text(&report, " stack overflow");
    } else if (address <= top - EXCEPTION_FRAME_BYTES) {
        ek_startup_report_hex(&report, " pc=0x", frame[6]);
        ek_startup_report_hex(&report, " lr=0x", frame[5]);
    }
#if !defined(__ARM_ARCH_6M__)
    ek_startup_report_hex(&report, " cfsr=0x", SCB_CFSR);
    ek_startup_report_hex(&report, " hfsr=0x", SCB_HFSR);
#endif
    ek_startup_report_send(&report);
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
