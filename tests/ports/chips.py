"""Chips as their manuals describe them, as far as edgekit's SDK-free ports touch them, under Unicorn.

A model is strict: an access to a register that it does not know, to a peripheral without its clock, or
against the manual's rules is a fault of the firmware. Each is written from the reference manual that its
class names, not from the port. What a manual says of time is left out: an oscillator is ready at once.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from pathlib import Path

import unicorn
from unicorn import arm_const, riscv_const, unicorn_const

from edgekit.boards import Board
from edgekit.toolchains.elf import read_segments, symbol_at

MHZ = 1_000_000
IDLE_POLLS = 8
_NOWHERE = 0xFFFF_FFF0
_SLICE_US = 500_000
_READ_EXECUTE = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_EXEC


class ViolationError(Exception):
    """The firmware did what the chip's manual forbids or does not know."""


def require(condition: bool, rule: str) -> None:
    if not condition:
        raise ViolationError(rule)


class Chip:
    """A chip that runs an image; a Transport to its UART. Subclasses are the chips."""

    windows: tuple[tuple[int, int], ...] = ()
    """Start and size of the address ranges whose accesses go to :meth:`load` and :meth:`store`."""

    def __init__(self, board: Board, image: Path) -> None:
        self.board = board
        self.image = image
        self.received: deque[int] = deque()
        self.sent = bytearray()
        self.resets = 0
        self._violation: str | None = None
        self.uc = self._processor()
        for start, size_bytes in self.windows:
            self.uc.mmio_map(start, size_bytes, self._load, start, self._store, start)
        self._map_memory()
        self.power_on()

    def write(self, data: bytes) -> None:
        self.received.extend(data)

    def read(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        while not self.sent and time.monotonic() < deadline:
            self._run()
            if self._idle() and not self.received:
                break
        received, self.sent = bytes(self.sent), bytearray()
        return received

    def close(self) -> None:
        pass

    def power_on(self) -> None:
        """Registers and memory as after power-on; RAM holds anything but zeros."""
        self.registers: dict[int, int] = dict(self.reset_values())
        self.empty_polls = 0
        self._reset_due = False
        ram, size_bytes = self.ram()
        self.uc.mem_write(ram, b"\xa5" * size_bytes)
        for segment in read_segments(self.image):
            self.load_segment(segment.address, segment.data)
        self.start()

    def ram(self) -> tuple[int, int]:
        return self.board.memory.ram_origin, self.board.mcu.ram_bytes

    def reset_values(self) -> dict[int, int]:
        """Every register that the port may touch, with its value after reset."""
        raise NotImplementedError

    def load_segment(self, address: int, data: bytes) -> None:
        self.uc.mem_write(address, data)

    def start(self) -> None:
        raise NotImplementedError

    def on_load(self, address: int, value: int) -> int:
        """What reading a register gives; ``value`` is what was last written."""
        return value

    def on_store(self, address: int, value: int) -> None:
        """Called after a register was written."""

    def reset(self) -> None:
        """Has the chip start anew once the processor has stopped."""
        self._reset_due = True
        self.uc.emu_stop()

    def poll_receiver(self) -> bool:
        """Whether a byte is there; a program that only ever asks is left waiting."""
        if self.received:
            self.empty_polls = 0
            return True
        self.empty_polls += 1
        if self._idle():
            self.uc.emu_stop()
        return False

    def receive(self) -> int:
        require(bool(self.received), "the receiver was read while it was empty")
        return self.received.popleft()

    def send(self, value: int) -> None:
        self.sent.append(value & 0xFF)

    def _idle(self) -> bool:
        return self.empty_polls >= IDLE_POLLS

    def _load(self, _uc, offset: int, _size: int, start: int) -> int:
        address = start + offset
        try:
            require(address in self.registers, f"reads {address:#x}, which is no register known here")
            return self.on_load(address, self.registers[address]) & 0xFFFF_FFFF
        except ViolationError as violation:
            self._fail(violation)
            return 0

    def _store(self, _uc, offset: int, _size: int, value: int, start: int) -> None:
        address = start + offset
        try:
            require(address in self.registers, f"writes {address:#x}, which is no register known here")
            before = self.registers[address]
            self.registers[address] = value
            self.written(address, before, value)
        except ViolationError as violation:
            self._fail(violation)

    def written(self, address: int, _before: int, value: int) -> None:
        self.on_store(address, value)

    def _fail(self, violation: ViolationError) -> None:
        self._violation = self._violation or f"{violation} (in {self._place()})"
        self.uc.emu_stop()

    def _run(self) -> None:
        self.empty_polls = 0
        try:
            self.uc.emu_start(self.entry(), _NOWHERE, _SLICE_US)
        except unicorn.UcError as error:
            raise AssertionError(f"{error} in {self._place()}") from error
        assert self._violation is None, self._violation
        if self._reset_due:
            self.resets += 1
            self.power_on()

    def _place(self) -> str:
        symbol = symbol_at(self.image, self.uc.reg_read(self.program_counter) & ~1)
        return symbol.name if symbol is not None else "nowhere"


SYSTICK_CTRL, SYSTICK_RELOAD, SYSTICK_CURRENT = 0xE000_E010, 0xE000_E014, 0xE000_E018
ICSR, VTOR, AIRCR, CPACR = 0xE000_ED04, 0xE000_ED08, 0xE000_ED0C, 0xE000_ED88
SYSTEM_RESET = 0x05FA_0004


class CortexM4(Chip):
    """Armv7-M Architecture Reference Manual (DDI 0403E), B3.2 and B3.3: what start-up and counter touch."""

    program_counter = arm_const.UC_ARM_REG_PC
    windows = ((0x4000_0000, 0x1100_0000), (0xE000_E000, 0x1000))

    def reset_values(self) -> dict[int, int]:
        core = (SYSTICK_CTRL, SYSTICK_RELOAD, SYSTICK_CURRENT, ICSR, VTOR, AIRCR, CPACR)
        return dict.fromkeys(core, 0)

    def _processor(self) -> unicorn.Uc:
        uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        return uc

    def _map_memory(self) -> None:
        self.uc.mem_map(self.board.memory.flash_origin, self.board.mcu.flash_bytes, _READ_EXECUTE)
        self.uc.mem_map(*self.ram(), unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_WRITE)

    def start(self) -> None:
        table = bytes(self.uc.mem_read(self.board.memory.flash_origin, 8))
        stack, entry = struct.unpack("<II", table)
        self.uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self.uc.reg_write(arm_const.UC_ARM_REG_PC, entry | 1)

    def entry(self) -> int:
        return self.uc.reg_read(arm_const.UC_ARM_REG_PC) | 1

    def on_load(self, address: int, value: int) -> int:
        if address == SYSTICK_CURRENT:  # it counts down while one reads it
            self.registers[address] = (value - 1) & 0xFF_FFFF
        return super().on_load(address, value)

    def on_store(self, address: int, value: int) -> None:
        if address == AIRCR and value == SYSTEM_RESET:
            self.reset()


class Gpio:
    """STM32's pins: RM0090 8.4, RM0432 8.4. ``clock`` is the register with a bit for each port."""

    def __init__(self, chip: Chip, base: int, clock: int, moder_reset: int) -> None:
        self.chip, self.base, self.clock = chip, base, clock
        self.moder_reset = moder_reset

    def reset_values(self) -> dict[int, int]:
        offsets = {0x00: self.moder_reset, 0x04: 0, 0x08: 0, 0x0C: 0, 0x20: 0, 0x24: 0}
        return {
            self.base + port * 0x400 + offset: value for port in range(9) for offset, value in offsets.items()
        }

    def owns(self, address: int) -> bool:
        return self.base <= address < self.base + 9 * 0x400

    def check_access(self, address: int) -> int:
        port = (address - self.base) // 0x400
        require(bool(self.chip.registers[self.clock] >> port & 1), f"port {port} has no clock")
        return port

    def function(self, port: int, pin: int) -> int | None:
        """The alternate function of a pin, or None where the pin is something else."""
        registers, base = self.chip.registers, self.base + port * 0x400
        if registers[base] >> 2 * pin & 3 != 2:
            return None
        return registers[base + 0x20 + pin // 8 * 4] >> pin % 8 * 4 & 15


class Stm32F4(CortexM4):
    """RM0090 (F405) and RM0390 (F446)."""

    CR, PLLCFGR, CFGR = 0x4002_3800, 0x4002_3804, 0x4002_3808
    AHB1ENR, APB1ENR, APB2ENR = 0x4002_3830, 0x4002_3840, 0x4002_3844
    PWR_CR, PWR_CSR, ACR = 0x4000_7000, 0x4000_7004, 0x4002_3C00

    def __init__(
        self, board: Board, image: Path, *, uart: tuple[int, int, int], pins: tuple, hse_hz: int
    ) -> None:
        """``uart``: its base, its clock's register and bit; ``pins``: (port, pin) of TX and RX; ``hse_hz``:
        the frequency of the signal at OSC_IN, 0 for none."""
        self.uart, self.uart_clock, self.uart_bit = uart
        self.pins, self.hse_hz = pins, hse_hz
        self.gpio = Gpio(self, 0x4002_0000, self.AHB1ENR, 0)
        super().__init__(board, image)

    def reset_values(self) -> dict[int, int]:
        rcc = {self.CR: 0x83, self.PLLCFGR: 0x2400_3010, self.CFGR: 0}
        clocks = dict.fromkeys((self.AHB1ENR, self.APB1ENR, self.APB2ENR), 0)
        power = {self.PWR_CR: 0xC000, self.PWR_CSR: 0, self.ACR: 0}
        uart = {self.uart: 0xC0, self.uart + 4: 0, self.uart + 8: 0, self.uart + 12: 0}
        return {**super().reset_values(), **rcc, **clocks, **power, **uart, **self.gpio.reset_values()}

    def power_on(self) -> None:
        self.core_hz = self.apb1_hz = self.apb2_hz = 16.0 * MHZ
        super().power_on()

    def on_load(self, address: int, value: int) -> int:
        self._check_clock(address)
        if address == self.uart:
            return 0xC0 | (0x20 if self.poll_receiver() else 0)
        if address == self.uart + 4:
            return self.receive()
        return super().on_load(address, value)

    def on_store(self, address: int, value: int) -> None:
        self._check_clock(address)
        if address == self.CR:
            ready = 0x83 | (value & 0x0105_0000)
            # The other chip's clock is a signal, no crystal: only the bypass lets it in (7.2.1).
            ready |= 1 << 17 if self.hse_hz and value & 5 << 16 == 5 << 16 else 0
            source_ready = not self.registers[self.PLLCFGR] & 1 << 22 or ready & 1 << 17
            ready |= 1 << 25 if value & 1 << 24 and source_ready else 0
            self.registers[address] = ready
        elif address == self.CFGR:
            self._switch(value)
        elif address == self.PWR_CR:
            self.registers[self.PWR_CSR] = value & (3 << 16)
            require(not value & 1 << 17 or bool(value & 1 << 16), "ODSWEN without ODEN (RM0390, 5.1.4)")
        elif address == self.PWR_CSR:
            raise ViolationError("PWR_CSR was written")
        elif address == self.uart + 4:
            self._check_uart()
            self.send(value)
        super().on_store(address, value)

    def _check_clock(self, address: int) -> None:
        if self.gpio.owns(address):
            self.gpio.check_access(address)
        if address in {self.PWR_CR, self.PWR_CSR}:
            require(bool(self.registers[self.APB1ENR] >> 28 & 1), "PWR has no clock")
        if self.uart <= address <= self.uart + 12:
            require(bool(self.registers[self.uart_clock] >> self.uart_bit & 1), "the UART has no clock")

    def _switch(self, value: int) -> None:
        if value & 3 != 2:
            raise ViolationError("SW is not the PLL")
        require(bool(self.registers[self.CR] & 1 << 25), "the PLL is not ready")
        pll = self.registers[self.PLLCFGR]
        source_hz = self.hse_hz if pll & 1 << 22 else 16 * MHZ
        input_hz = source_hz / (pll & 63)
        vco_hz = input_hz * (pll >> 6 & 511)
        self.core_hz = vco_hz / (2 * (pll >> 16 & 3) + 2)
        require(MHZ <= input_hz <= 2 * MHZ, f"PLL input {input_hz}")
        require(100 * MHZ <= vco_hz <= 432 * MHZ, f"VCO {vco_hz}")
        require((pll >> 24 & 15) >= 2, "Q")
        require((pll >> 28 & 7) >= 2, "R (RM0390, 6.3.2; reserved on the F405)")
        divisors = {0: 1, 4: 2, 5: 4, 6: 8, 7: 16}
        self.apb1_hz = self.core_hz / divisors[value >> 10 & 7]
        self.apb2_hz = self.core_hz / divisors[value >> 13 & 7]
        over_drive = self.registers[self.PWR_CSR] >> 16 & 3 == 3
        require(self.core_hz <= (180 if over_drive else 168) * MHZ, "too fast without over-drive")
        require(self.apb1_hz <= 45 * MHZ and self.apb2_hz <= 90 * MHZ, "a bus is too fast")
        require((self.registers[self.ACR] & 15) * 30 * MHZ + 30 * MHZ >= self.core_hz, "too few wait states")
        self.registers[self.CFGR] = value & ~0xC | 0x8

    def _check_uart(self) -> None:
        registers = self.registers
        require(registers[self.uart + 12] & 0x200C == 0x200C, "UE, TE, RE")
        bus_hz = self.apb1_hz if self.uart_clock == self.APB1ENR else self.apb2_hz
        baud = bus_hz / registers[self.uart + 8]
        require(abs(baud / self.board.serial.baud - 1) < 0.01, f"{baud} baud")
        for port, pin in self.pins:
            require(self.gpio.function(port, pin) == 7, f"pin {pin} of port {port} is not the USART's")


class Stm32L4R5(CortexM4):
    """RM0432: LPUART1 on PG7 and PG8, from the MSI's 4 MHz."""

    CR, CFGR, PLLCFGR = 0x4002_1000, 0x4002_1008, 0x4002_100C
    AHB2ENR, APB1ENR1, APB1ENR2 = 0x4002_104C, 0x4002_1058, 0x4002_105C
    PWR_CR2, PWR_CR5, ACR, UART = 0x4000_7004, 0x4000_7080, 0x4002_2000, 0x4000_8000

    def __init__(self, board: Board, image: Path) -> None:
        self.gpio = Gpio(self, 0x4800_0000, self.AHB2ENR, 0xFFFF_FFFF)
        self.core_hz = 4.0 * MHZ
        super().__init__(board, image)

    def reset_values(self) -> dict[int, int]:
        rcc = {self.CR: 0x63, self.CFGR: 0, self.PLLCFGR: 0x1000}
        clocks = dict.fromkeys((self.AHB2ENR, self.APB1ENR1, self.APB1ENR2), 0)
        power = {self.PWR_CR2: 0, self.PWR_CR5: 0x100, self.ACR: 0x600}
        uart = {self.UART + offset: 0 for offset in (0x00, 0x08, 0x0C, 0x1C, 0x20, 0x24, 0x28)}
        return {**super().reset_values(), **rcc, **clocks, **power, **uart, **self.gpio.reset_values()}

    def on_load(self, address: int, value: int) -> int:
        self._check_clock(address)
        if address == self.UART + 0x1C:
            return 0xC0 | (0x20 if self.poll_receiver() else 0)
        if address == self.UART + 0x24:
            return self.receive()
        return super().on_load(address, value)

    def written(self, address: int, before: int, value: int) -> None:
        self._check_clock(address)
        if address == self.CR:
            self.registers[address] = value | (1 << 25 if value & 1 << 24 else 0)
        elif address == self.PLLCFGR:
            require(not self.registers[self.CR] & 1 << 24, "the PLL runs while it is set up")
        elif address == self.CFGR:
            self._switch(before, value)
        elif address == self.UART + 0x28:
            self._check_uart()
            self.send(value)
        super().written(address, before, value)

    def _check_clock(self, address: int) -> None:
        if self.gpio.owns(address):
            port = self.gpio.check_access(address)
            require(port != 6 or bool(self.registers[self.PWR_CR2] >> 9 & 1), "port G without IOSV (5.1.3)")
        if address in {self.PWR_CR2, self.PWR_CR5}:
            require(bool(self.registers[self.APB1ENR1] >> 28 & 1), "PWR has no clock")
        if self.UART <= address <= self.UART + 0x28:
            require(bool(self.registers[self.APB1ENR2] & 1), "LPUART1 has no clock")

    def _switch(self, before: int, value: int) -> None:
        registers = self.registers
        require(
            value & 3 == 3 and bool(registers[self.CR] & 1 << 25), "SW is not the PLL, or it is not ready"
        )
        pll = registers[self.PLLCFGR]
        require(pll & 3 == 1 and bool(pll & 1 << 24), "source MSI, output R")
        vco_hz = 4 * MHZ / ((pll >> 4 & 15) + 1) * (pll >> 8 & 127)
        system_hz = vco_hz / (2, 4, 6, 8)[pll >> 25 & 3]
        require(64 * MHZ <= vco_hz <= 344 * MHZ, f"VCO {vco_hz}")
        halved = value >> 4 & 15 == 8
        require(halved or value >> 4 & 15 == 0, "HPRE")
        require(halved or before & 3 == 3, "no step by half on the way above 80 MHz (5.1.8)")
        boost = not registers[self.PWR_CR5] & 1 << 8
        require(system_hz <= (120 if boost else 80) * MHZ, "too fast for its range")
        require((registers[self.ACR] & 15) * 20 * MHZ + 20 * MHZ >= system_hz, "too few wait states")
        self.core_hz = system_hz / (2 if halved else 1)
        registers[self.CFGR] = value & ~0xC | 0xC

    def _check_uart(self) -> None:
        registers = self.registers
        require(registers[self.UART] & 0xD == 0xD, "UE, RE, TE")
        baud = 256 * self.core_hz / registers[self.UART + 0x0C]
        require(abs(baud / self.board.serial.baud - 1) < 0.01, f"{baud} baud")
        for pin in (7, 8):
            require(self.gpio.function(6, pin) == 8, f"PG{pin} is not LPUART1's")


class Nrf52833(CortexM4):
    """nRF52833 Product Specification: CLOCK, NVMC, GPIO, UART; the micro:bit's P0.06 (TX) and P1.08 (RX)."""

    HFCLKSTART, HFCLKSTARTED, ICACHECNF = 0x4000_0000, 0x4000_0100, 0x4001_E540
    STARTRX, STARTTX, RXDRDY, TXDRDY = 0x4000_2000, 0x4000_2008, 0x4000_2108, 0x4000_211C
    ENABLE, PSEL_TXD, PSEL_RXD = 0x4000_2500, 0x4000_250C, 0x4000_2514
    RXD, TXD, BAUDRATE = 0x4000_2518, 0x4000_251C, 0x4000_2524
    P0_OUTSET, P0_DIRSET, P1_PIN_CNF_8 = 0x5000_0508, 0x5000_0518, 0x5000_0300 + 0x720

    def reset_values(self) -> dict[int, int]:
        clock = (self.HFCLKSTART, self.HFCLKSTARTED, self.ICACHECNF)
        uart = (self.STARTRX, self.STARTTX, self.RXDRDY, self.TXDRDY, self.ENABLE, self.RXD, self.TXD)
        pins = (self.P0_OUTSET, self.P0_DIRSET, self.P1_PIN_CNF_8)
        unconnected = {self.PSEL_TXD: 0xFFFF_FFFF, self.PSEL_RXD: 0xFFFF_FFFF, self.BAUDRATE: 0x0400_0000}
        return {**super().reset_values(), **dict.fromkeys((*clock, *uart, *pins), 0), **unconnected}

    def on_load(self, address: int, value: int) -> int:
        if address == self.RXDRDY:
            if self.poll_receiver() and self.registers[self.STARTRX]:
                self.registers[address] = 1
            return self.registers[address]
        if address == self.RXD:
            require(not self.registers[self.RXDRDY], "RXD read before its event was cleared: bytes are lost")
            return self.receive()
        return super().on_load(address, value)

    def on_store(self, address: int, value: int) -> None:
        if address == self.HFCLKSTART:
            self.registers[self.HFCLKSTARTED] = value & 1
        elif address == self.TXD:
            self._check_uart()
            self.send(value)
            self.registers[self.TXDRDY] = 1
        elif address in {self.PSEL_TXD, self.PSEL_RXD}:
            require(not self.registers[self.ENABLE], "pins are selected while the UART is enabled")
        super().on_store(address, value)

    def _check_uart(self) -> None:
        registers = self.registers
        require(registers[self.ENABLE] == 4 and registers[self.STARTTX] == 1, "the transmitter is off")
        require((registers[self.PSEL_TXD], registers[self.PSEL_RXD]) == (6, 40), "P0.06 and P1.08")
        require(registers[self.BAUDRATE] == 0x01D7_E000, "115200 baud")
        require(registers[self.P0_OUTSET] == registers[self.P0_DIRSET] == 1 << 6, "TX idles low")
        require(registers[self.P1_PIN_CNF_8] & 2 == 0, "RX has no input buffer")


MSCRATCH, MCYCLE = 0x340, 0xB00
STANDARD_CSRS = {0x7E0: MSCRATCH, 0x7E1: MSCRATCH, 0x7E2: MCYCLE}


class Esp32C3(Chip):
    """ESP32-C3 Technical Reference Manual, as the boot ROM leaves it at a direct boot.

    Unicorn has no counter mpccr (0x7E2): its instructions are changed to use standard registers.
    """

    program_counter = riscv_const.UC_RISCV_REG_PC
    windows = ((0x6000_0000, 0x10_0000),)
    CODE, DATA = 0x4200_0000, 0x3C00_0000
    KEY, SUPER_KEY = 0x50D8_3AA1, 0x8F1D_312A
    RESET, RTC_WDT, RTC_LOCK = 0x6000_8000, 0x6000_8090, 0x6000_80A8
    SUPER, SUPER_LOCK, SYSCLK = 0x6000_80AC, 0x6000_80B0, 0x600C_0058
    EP1, EP1_CONF = 0x6004_3000, 0x6004_3004
    TIMERS = (0x6001_F000, 0x6002_0000)

    def reset_values(self) -> dict[int, int]:
        values = dict.fromkeys((self.RESET, self.SUPER, self.EP1), 0)
        values |= {self.RTC_WDT: 0x0001_3214 | 1 << 12, self.RTC_LOCK: 0, self.SUPER_LOCK: 0}
        values |= {self.SYSCLK: 1 << 10 | 1, self.EP1_CONF: 2}
        for timer in self.TIMERS:
            values |= {timer + 0x48: 1 << 14, timer + 0x64: 0}
        return values

    def _processor(self) -> unicorn.Uc:
        return unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)

    def _map_memory(self) -> None:
        for start in (self.CODE, self.DATA):
            self.uc.mem_map(
                start, 4 << 20, _READ_EXECUTE if start == self.CODE else unicorn_const.UC_PROT_READ
            )
        self.uc.mem_map(*self.ram(), unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_WRITE)
        self.uc.hook_add(
            unicorn_const.UC_HOOK_MEM_READ, self._read_code, begin=self.CODE, end=self.CODE + (4 << 20) - 1
        )

    def _read_code(self, _uc, _access: int, address: int, size: int, _value: int, _data: object) -> None:
        if size != 4 or address % 4:
            self._fail(ViolationError(f"{size} bytes of data at {address:#x}, which gives whole words only"))

    def load_segment(self, address: int, data: bytes) -> None:
        """The ROM maps flash from its first byte on, twice."""
        code = self._exchange_csrs(data) if address == self.CODE else data
        self.uc.mem_write(address, code)
        self.uc.mem_write(address - self.CODE + self.DATA, data)

    def _exchange_csrs(self, image: bytes) -> bytes:
        code = bytearray(image)
        position = 8
        while position + 2 <= len(code):
            is_long = code[position] & 3 == 3
            if is_long and code[position] & 0x7F == 0x73:
                word = int.from_bytes(code[position : position + 4], "little")
                number = STANDARD_CSRS.get(word >> 20, word >> 20)
                code[position : position + 4] = (word & 0xF_FFFF | number << 20).to_bytes(4, "little")
            position += 4 if is_long else 2
        return bytes(code)

    def start(self) -> None:
        magic = bytes(self.uc.mem_read(self.DATA, 8))
        assert magic == bytes.fromhex("1d04dbae") * 2, "the boot ROM finds no direct boot image"
        self.uc.reg_write(riscv_const.UC_RISCV_REG_PC, self.CODE + 8)

    def entry(self) -> int:
        return self.uc.reg_read(riscv_const.UC_RISCV_REG_PC)

    def watchdogs_bite(self) -> bool:
        registers = self.registers
        timers = any(registers[timer + 0x48] & (1 << 31 | 1 << 14) for timer in self.TIMERS)
        return (
            timers or bool(registers[self.RTC_WDT] & (1 << 31 | 1 << 12)) or not registers[self.SUPER] >> 31
        )

    def on_load(self, address: int, value: int) -> int:
        if address == self.EP1_CONF:
            return 2 | (4 if self.poll_receiver() else 0)
        return self.receive() if address == self.EP1 else value

    def written(self, address: int, before: int, value: int) -> None:
        locks = {self.RTC_WDT: (self.RTC_LOCK, self.KEY), self.SUPER: (self.SUPER_LOCK, self.SUPER_KEY)}
        locks |= {timer + 0x48: (timer + 0x64, self.KEY) for timer in self.TIMERS}
        if address in locks:
            lock, key = locks[address]
            require(self.registers[lock] == key, f"{address:#x} is written while it is locked")
        if address in {timer + 0x48 for timer in self.TIMERS}:
            require(bool(value & 1 << 22), "a timer's watchdog is not told to take its settings over")
        if address == self.EP1:
            self.send(value)
        elif address == self.SYSCLK:
            require(value & 0xFFF == 0, "the core's clock is not the crystal's")
        elif address == self.RESET and value & 1 << 5 and not before & 1 << 5:
            self.reset()


class Esp32C3Uart0(Esp32C3):
    """The same chip with its link on UART0."""

    FIFO, CLKDIV, STATUS, CLK_CONF, ID = (0x6000_0000 + offset for offset in (0x00, 0x14, 0x1C, 0x78, 0x80))

    def reset_values(self) -> dict[int, int]:
        uart = {
            self.FIFO: 0,
            self.CLKDIV: 0x2B6,
            self.STATUS: 0,
            self.CLK_CONF: 0x0370_1000,
            self.ID: 0x4000_0500,
        }
        return {**super().reset_values(), **uart}

    def on_load(self, address: int, value: int) -> int:
        if address == self.STATUS:
            return min(len(self.received), 128) if self.poll_receiver() else 0
        return self.receive() if address == self.FIFO else super().on_load(address, value)

    def written(self, address: int, before: int, value: int) -> None:
        if address == self.ID:
            self.registers[address] = value & ~(1 << 31)  # taken over at once
        elif address == self.FIFO:
            clock, divisor = self.registers[self.CLK_CONF], self.registers[self.CLKDIV]
            require(clock >> 20 & 3 == 3, "the UART's clock is not the crystal's")
            source_hz = 40 * MHZ / ((clock >> 12 & 0xFF) + 1)
            baud = source_hz / ((divisor & 0xFFF) + (divisor >> 20 & 15) / 16)
            require(abs(baud / self.board.serial.baud - 1) < 0.01, f"{baud} baud")
            self.send(value)
        super().written(address, before, value)
