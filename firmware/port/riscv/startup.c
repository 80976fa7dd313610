/* SPDX-License-Identifier: Apache-2.0 */
#include "ek_riscv.h"

#define PMP_READ          0x01u
#define PMP_EXECUTE       0x04u
#define PMP_TOP_OF_RANGE  0x08u
#define PMP_LOCKED        0x80u /* binds machine mode too */
#define PMP_ADDRESS_SHIFT 2

extern int main(void);

/* Given by the linker script. */
extern uint32_t ek_flash_start[];

/* In the section of the vector table, which the linker script puts first. */
__attribute__((naked, used, section(".vectors"))) void Reset_Handler(void) {
    /* Interrupts are off at large, in mstatus.MIE; not every core has mie (the ESP32-C3 has not). */
    __asm__ volatile("csrci mstatus, 8\n"
                     "la t0, trap_entry\n"
                     "csrw mtvec, t0\n"
                     "la sp, ek_stack_top\n"
                     "j start\n");
}

__attribute__((used, noreturn)) static void start(void) {
    ek_startup_memory();
    (void)main();
    ek_startup_stop();
}

uint64_t ek_riscv_cycles(void) {
    uint32_t high, low;
    do {
        high = EK_RISCV_READ(mcycleh);
        low = EK_RISCV_READ(mcycle);
    } while (high != EK_RISCV_READ(mcycleh));
    return ((uint64_t)high << 32) | low;
}

void ek_riscv_protect_flash(void) {
    EK_RISCV_WRITE(pmpaddr0, (uintptr_t)ek_flash_start >> PMP_ADDRESS_SHIFT);
    EK_RISCV_WRITE(pmpaddr1, (uintptr_t)ek_stack_bottom >> PMP_ADDRESS_SHIFT);
    EK_RISCV_WRITE(pmpcfg0, (PMP_LOCKED | PMP_TOP_OF_RANGE | PMP_READ | PMP_EXECUTE) << 8);
}

/* `stack_pointer` and `return_address` are those of the code that was interrupted. */
__attribute__((used)) static _Noreturn void report_trap(uint32_t stack_pointer, uint32_t return_address) {
    ek_startup_report report;
    ek_startup_report_begin(&report);
    ek_startup_report_hex(&report, " mcause=0x", EK_RISCV_READ(mcause));
    if (stack_pointer < (uintptr_t)ek_stack_bottom) {
        ek_startup_report_text(&report, " stack overflow");
    }
    ek_startup_report_hex(&report, " pc=0x", EK_RISCV_READ(mepc));
    ek_startup_report_hex(&report, " ra=0x", return_address);
    ek_startup_report_hex(&report, " mtval=0x", EK_RISCV_READ(mtval));
    ek_startup_report_send(&report);
}

/*
 * Every trap is a fault. Reported on the interrupted stack where that still has room for the report,
 * else on the stack's top: what lay there is lost anyway. mtvec wants an address that is a multiple of 4,
 * of 256 where it is always vectored (ESP32-C3); exceptions go to its base in either mode.
 */
__attribute__((naked, used, aligned(256))) static void trap_entry(void) {
    __asm__ volatile("mv a0, sp\n"
                     "mv a1, ra\n"
                     "la t0, ek_stack_bottom + 512\n"
                     "bgeu sp, t0, 1f\n"
                     "la sp, ek_stack_top\n"
                     "1:\n"
                     "j report_trap\n");
}
