/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekit/ek_frame.h"

#include "edgekit/ek_flash.h"

#define COBS_LONGEST_BLOCK 254

uint32_t ek_crc32(uint32_t crc, const uint8_t *data, size_t size_bytes) {
    /* Remainders of four bits: two steps a byte, and 64 bytes instead of the 1 KB of the usual table. */
    static const EK_FLASH uint32_t remainders[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
        0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
        0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
    };
    crc = ~crc;
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ remainders[crc & 0xfu];
        crc = (crc >> 4) ^ remainders[crc & 0xfu];
    }
    return ~crc;
}

uint16_t ek_get_u16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | ((unsigned)bytes[1] << 8));
}

uint32_t ek_get_u32(const uint8_t *bytes) {
    return ek_get_u16(bytes) | ((uint32_t)ek_get_u16(bytes + 2) << 16);
}

uint64_t ek_get_u64(const uint8_t *bytes) {
    return ek_get_u32(bytes) | ((uint64_t)ek_get_u32(bytes + 4) << 32);
}

void ek_put_u16(uint8_t *bytes, uint16_t value) {
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

void ek_put_u32(uint8_t *bytes, uint32_t value) {
    ek_put_u16(bytes, (uint16_t)value);
    ek_put_u16(bytes + 2, (uint16_t)(value >> 16));
}

void ek_put_u64(uint8_t *bytes, uint64_t value) {
    ek_put_u32(bytes, (uint32_t)value);
    ek_put_u32(bytes + 4, (uint32_t)(value >> 32));
}

static void start_frame(ek_frame_decoder *decoder) {
    decoder->size_bytes = 0;
    decoder->crc = 0;
    decoder->block_left = 0;
    decoder->zero_due = 0;
    decoder->skipping = 0;
}

void ek_frame_decoder_init(ek_frame_decoder *decoder, uint8_t *packet, uint16_t capacity_bytes) {
    decoder->packet = packet;
    decoder->capacity_bytes = capacity_bytes;
    decoder->room_bytes = capacity_bytes;
    start_frame(decoder);
}

static void append(ek_frame_decoder *decoder, uint8_t byte) {
    if (decoder->size_bytes == decoder->capacity_bytes) {
        decoder->skipping = 1;
        return;
    }
    if (decoder->size_bytes < decoder->room_bytes) {
        decoder->packet[decoder->size_bytes] = byte;
    }
    decoder->size_bytes++;
    decoder->crc = ek_crc32(decoder->crc, &byte, 1);
}

static int is_whole_packet(const ek_frame_decoder *decoder) {
    return !decoder->skipping && decoder->block_left == 0 && decoder->crc == EK_CRC32_RESIDUE &&
           decoder->size_bytes >= EK_FRAME_OVERHEAD_BYTES &&
           ek_get_u16(decoder->packet + 4) == decoder->size_bytes - EK_FRAME_OVERHEAD_BYTES;
}

uint16_t ek_frame_receive(ek_frame_decoder *decoder, uint8_t byte) {
    if (byte == 0) {
        const uint16_t packet_bytes = is_whole_packet(decoder) ? decoder->size_bytes : 0;
        start_frame(decoder);
        return packet_bytes;
    }
    if (decoder->skipping) {
        return 0;
    }
    if (decoder->block_left != 0) {
        decoder->block_left--;
        append(decoder, byte);
        return 0;
    }
    if (decoder->zero_due) {
        append(decoder, 0);
    }
    decoder->block_left = (uint8_t)(byte - 1);
    decoder->zero_due = byte != COBS_LONGEST_BLOCK + 1;
    return 0;
}

uint16_t ek_frame_seal(uint8_t *packet, uint8_t type, uint16_t number, uint16_t body_bytes) {
    const uint16_t covered_bytes = (uint16_t)(EK_FRAME_HEADER_BYTES + body_bytes);
    packet[0] = type;
    packet[1] = 0;
    ek_put_u16(packet + 2, number);
    ek_put_u16(packet + 4, body_bytes);
    ek_put_u32(packet + covered_bytes, ek_crc32(0, packet, covered_bytes));
    return (uint16_t)(covered_bytes + EK_FRAME_CRC_BYTES);
}

void ek_frame_send(const uint8_t *packet, uint16_t size_bytes, ek_frame_sink sink) {
    const uint8_t delimiter = 0;
    uint16_t start = 0;
    sink(&delimiter, 1);
    for (;;) {
        uint16_t end = start;
        while (end < size_bytes && packet[end] != 0 && end - start < COBS_LONGEST_BLOCK) {
            end++;
        }
        const uint8_t code = (uint8_t)(end - start + 1);
        sink(&code, 1);
        if (end > start) {
            sink(packet + start, (size_t)(end - start));
        }
        if (end == size_bytes) {
            break;
        }
        start = (uint16_t)(end + (code <= COBS_LONGEST_BLOCK)); /* the block stands for its 0x00 as well */
    }
    sink(&delimiter, 1);
}
