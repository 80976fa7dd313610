// SPDX-License-Identifier: Apache-2.0
//
// Stands in for Arduino.h of the mbed and AVR cores: what the port uses, as the Arduino language reference
// has it.
#ifndef STAND_IN_ARDUINO_H
#define STAND_IN_ARDUINO_H

#include <stddef.h>
#include <stdint.h>

class StandInSerial {
  public:
    void begin(unsigned long baud);
    int read();
    size_t write(const uint8_t *buffer, size_t size);
    void flush();
};

extern StandInSerial Serial;

unsigned long micros();
void delay(unsigned long ms);
void yield();
void setup();
void loop();

#if defined(__arm__)
extern "C" void NVIC_SystemReset();
#endif

#endif
