// SPDX-License-Identifier: Apache-2.0
// Runs a UF2 file on rp2040js: `node rp2040js_board.mjs RP2040JS_FOLDER FILE.uf2 [--count]`. Standard
// input and output are UART0. With --count every instruction takes one cycle. What the chip's boot ROM
// does to start a program from flash is done here, the check of the second boot stage's CRC-32 included
// (RP2040 data sheet, 2.8.1.3.1).
//
// A program that polls an empty receiver is left waiting until input comes, so that an idle board
// costs no time. Exit codes: 0 standard input ended, 1 the program cannot be run or stopped itself.

import { readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

const [folder, file, count] = process.argv.slice(2);
const countsInstructions = count === '--count';
const { RP2040, LogLevel, ConsoleLogger } = createRequire(`${folder}/`)(folder);

const FLASH = 0x10000000;
const FLASH_BYTES = 2 * 1024 * 1024;
const BOOT2_BYTES = 256;
const BOOT2_ADDRESS = 0x20041f00;
const BOOT_ROM_STACK = 0x20042000;
const RAM_AT_POWER_ON = 0xa5;
const IDLE_POLLS = 64;
const INSTRUCTIONS_A_SLICE = 200000;
const UART_FR = 0x18;
const HARD_FAULT = 3;
const NANOSECONDS = 1e9;

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

// https://github.com/microsoft/uf2: blocks of 512 bytes with one page of flash each.
function readUf2(bytes) {
  const flash = new Uint8Array(FLASH_BYTES).fill(0xff);
  const blocks = bytes.length / 512;
  for (let number = 0; number < blocks; number++) {
    const block = bytes.subarray(number * 512, (number + 1) * 512);
    const word = (index) => block.readUInt32LE(index * 4);
    const [flags, address, size, family] = [word(2), word(3), word(4), word(7)];
    const whole = block.length === 512 && word(0) === 0x0a324655 && word(1) === 0x9e5d5157;
    if (!whole || block.readUInt32LE(508) !== 0x0ab16f30 || word(5) !== number || word(6) !== blocks) {
      fail(`block ${number} of the UF2 file is damaged`);
    }
    // The boot ROM takes blocks of its own family with 256 bytes on a page's address, and no others.
    if (flags !== 0x2000 || family !== 0xe48bff56 || size !== 256 || address % 256 !== 0) {
      fail(`block ${number} of the UF2 file is not for an RP2040's flash`);
    }
    if (address < FLASH || address + size > FLASH + FLASH_BYTES) {
      fail(`block ${number} of the UF2 file lies outside flash, at 0x${address.toString(16)}`);
    }
    flash.set(block.subarray(32, 32 + size), address - FLASH);
  }
  return flash;
}

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc = (crc ^ (byte << 24)) >>> 0;
    for (let bit = 0; bit < 8; bit++) {
      crc = ((crc << 1) ^ (crc & 0x80000000 ? 0x04c11db7 : 0)) >>> 0;
    }
  }
  return crc;
}

// rp2040js only warns of accesses to nowhere, which are bus faults.
class FaultLogger extends ConsoleLogger {
  constructor(board) {
    super(LogLevel.Error, false);
    this.board = board;
  }

  warn(component, message) {
    if (component === 'RP2040') this.board.fault(message);
  }
}

class Board {
  constructor(flash) {
    this.flash = flash;
    this.received = [];
    this.unsent = [];
    this.running = false;
    this.powerOn();
  }

  powerOn() {
    const chip = new RP2040();
    this.chip = chip;
    this.resetDue = false;
    this.faultDue = null;
    this.emptyPolls = 0;
    chip.logger = new FaultLogger(this);
    chip.sram.fill(RAM_AT_POWER_ON);
    chip.flash.set(this.flash);
    chip.uart[0].onByte = (byte) => {
      this.unsent.push(byte);
      this.emptyPolls = 0; // the same register says whether there is room to send
    };
    chip.onBreak = (code) => this.fault(`undefined instruction, udf #${code}`);
    chip.peripherals[0x40058].onWatchdogTrigger = () => (this.resetDue = true);
    this.countPolls(chip.uart[0]);
    this.bootRom();
  }

  // A fault of the instruction that is being executed. One inside the fault's own handler locks the core up.
  fault(what) {
    if (this.chip.core.IPSR !== HARD_FAULT) {
      this.faultDue ??= what;
      return;
    }
    this.say();
    fail('the firmware was stopped by a processor fault. The last line of text that it sent says where.');
  }

  // Faults while registers are saved to a stack that has overflowed are ignored, as QEMU does.
  takeFault(pc) {
    this.chip.core.PC = pc;
    this.chip.core.exceptionEntry(HARD_FAULT);
    this.faultDue = null;
  }

  countPolls(uart) {
    const read = uart.readUint32.bind(uart);
    uart.readUint32 = (offset) => {
      this.emptyPolls = offset === UART_FR && uart.rxFIFO.empty ? this.emptyPolls + 1 : 0;
      return read(offset);
    };
  }

  bootRom() {
    const boot2 = this.flash.subarray(0, BOOT2_BYTES);
    const expected = new DataView(boot2.buffer, boot2.byteOffset).getUint32(BOOT2_BYTES - 4, true);
    if (crc32(boot2.subarray(0, BOOT2_BYTES - 4)) !== expected) {
      fail('the second boot stage has a wrong CRC-32: the boot ROM would not run it');
    }
    const { chip } = this;
    chip.sram.set(boot2, BOOT2_ADDRESS - 0x20000000);
    chip.core.SP = BOOT_ROM_STACK;
    chip.core.LR = 0;
    chip.core.PC = BOOT2_ADDRESS;
  }

  feed() {
    const { rxFIFO } = this.chip.uart[0];
    while (this.received.length > 0 && !rxFIFO.full) {
      this.chip.uart[0].feedByte(this.received.shift());
      this.emptyPolls = 0;
    }
  }

  say() {
    const bytes = Buffer.from(this.unsent);
    this.unsent = [];
    for (let sent = 0; sent < bytes.length; ) {
      try {
        sent += writeSync(1, bytes, sent);
      } catch (error) {
        if (error.code === 'EPIPE') process.exit(0);
        if (error.code !== 'EAGAIN') throw error;
      }
    }
  }

  run() {
    const { chip } = this;
    this.running = true;
    for (let step = 0; step < INSTRUCTIONS_A_SLICE && !this.resetDue; step++) {
      if (step % 32 === 0) this.feed();
      if (this.emptyPolls >= IDLE_POLLS && this.received.length === 0) {
        this.say();
        this.running = false;
        return;
      }
      const { PC } = chip.core;
      const cycles = chip.core.executeInstruction();
      if (this.faultDue !== null) this.takeFault(PC);
      chip.clock.tick(((countsInstructions ? 1 : cycles) * NANOSECONDS) / chip.clkSys);
    }
    this.say();
    if (this.resetDue) this.powerOn();
    setImmediate(() => this.run());
  }

  receive(bytes) {
    for (const byte of bytes) this.received.push(byte);
    if (!this.running) this.run();
  }
}

const board = new Board(readUf2(readFileSync(file)));
process.stdin.on('data', (bytes) => board.receive(bytes));
process.stdin.on('end', () => process.exit(0));
board.run();
