/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the edgekit link: packets between 0x00 delimiters, COBS-coded, closed by a CRC-32.
 * docs/protocol.md specifies them byte by byte. Nothing here allocates or knows what a packet means.
 *
 * A packet, little-endian:
 *
 *     offset 0  type            u8
 *            1  flags           u8   reserved, 0
 *            2  request number  u16
 *            4  body length     u16  n
 *            6  body            n bytes
 *          6+n  CRC-32          u32  of the 6 + n bytes before it (zlib's: IEEE 802.3, reflected)
 */
#ifndef EDGEKIT_EK_FRAME_H
#define EDGEKIT_EK_FRAME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EK_FRAME_HEADER_BYTES   6
#define EK_FRAME_CRC_BYTES      4
#define EK_FRAME_OVERHEAD_BYTES (EK_FRAME_HEADER_BYTES + EK_FRAME_CRC_BYTES)

/*
 * CRC-32 as in zlib. Incremental: start with crc = 0, hand the result to the call for the next piece.
 *   data        read only; may be NULL where size_bytes is 0.
 */
uint32_t ek_crc32(uint32_t crc, const uint8_t *data, size_t size_bytes);

/* The CRC-32 of anything that is followed by its own, as a packet is. */
#define EK_CRC32_RESIDUE 0x2144df1cu

/* Little-endian access to packet bytes; no alignment needed. */
uint16_t ek_get_u16(const uint8_t *bytes);
uint32_t ek_get_u32(const uint8_t *bytes);
uint64_t ek_get_u64(const uint8_t *bytes);
void ek_put_u16(uint8_t *bytes, uint16_t value);
void ek_put_u32(uint8_t *bytes, uint32_t value);
void ek_put_u64(uint8_t *bytes, uint64_t value);

/* A decoder in the middle of a stream. The fields are its own; the packet buffer is the caller's. */
typedef struct ek_frame_decoder {
    uint8_t *packet;         /* where the packet is put together */
    uint32_t crc;            /* CRC-32 of the bytes decoded so far */
    uint16_t capacity_bytes; /* size of the longest packet that is taken */
    uint16_t room_bytes;     /* bytes of a packet that are kept; the caller may change it at any time */
    uint16_t size_bytes;     /* packet bytes decoded so far */
    uint8_t block_left;      /* bytes still to come in the current COBS block */
    uint8_t zero_due;        /* the block is followed by a 0x00 of the packet, unless the frame ends */
    uint8_t skipping;        /* what arrives is no frame that fits: wait for the next delimiter */
} ek_frame_decoder;

/*
 * Starts a decoder.
 *   packet          owned by the caller, filled by ek_frame_receive;
 *   capacity_bytes  its size: EK_FRAME_OVERHEAD_BYTES plus the largest body to be received.
 */
void ek_frame_decoder_init(ek_frame_decoder *decoder, uint8_t *packet, uint16_t capacity_bytes);

/*
 * Takes the next byte of the stream. Returns the packet's size in bytes (header to CRC) when the byte
 * closed a frame whose COBS coding, length and CRC are right, else 0. The packet, or its first room_bytes
 * (at least EK_FRAME_HEADER_BYTES; capacity_bytes to begin with), stays in the buffer until the next call.
 * Any other bytes (noise, text, damaged or oversized frames) are dropped silently.
 */
uint16_t ek_frame_receive(ek_frame_decoder *decoder, uint8_t byte);

/*
 * Completes a packet whose body already lies at packet + EK_FRAME_HEADER_BYTES: writes header and CRC.
 *   packet      room for EK_FRAME_OVERHEAD_BYTES + body_bytes;
 *   body_bytes  at most UINT16_MAX - EK_FRAME_OVERHEAD_BYTES.
 * Returns the packet's size in bytes.
 */
uint16_t ek_frame_seal(uint8_t *packet, uint8_t type, uint16_t number, uint16_t body_bytes);

/* Where an encoded frame goes, piece by piece; ek_port_write has this type. */
typedef void (*ek_frame_sink)(const uint8_t *data, size_t size_bytes);

/* Encodes a sealed packet as a frame, delimiters included, straight into `sink`: needs no buffer. */
void ek_frame_send(const uint8_t *packet, uint16_t size_bytes, ek_frame_sink sink);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_FRAME_H */
