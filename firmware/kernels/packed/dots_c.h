/* SPDX-License-Identifier: Apache-2.0 */
/* The dot products of dots.h in C. */

/* The sum of four products. */
EK_INLINE uint32_t dot_of_quad(uint32_t weights, ek_input_quad inputs) {
    const uint32_t odd = weights >> 8 & 0x00ff00ffu;
    const uint32_t products = inputs.start + weights * inputs.x_even + odd * inputs.x_rest;
    return (uint32_t)((int32_t)products >> 16);
}

void ek_packed_dots(ek_dots *dots) {
    const uint32_t *stream = dots->stream;
    uint32_t s0 = stream[0], s1 = stream[1], s2 = stream[2], s3 = stream[3];
    uint32_t run;
    for (stream += 4; (run = *stream++) != 0;) {
        const ek_input_quad *inputs = dots->inputs + (run & 0xffff);
        const uint32_t *const end = stream + (run >> 16) * 4;
        EK_NO_UNROLL
        for (; stream != end; stream += 4) {
            const ek_input_quad quad = *inputs++;
            s0 += dot_of_quad(stream[0], quad);
            s1 += dot_of_quad(stream[1], quad);
            s2 += dot_of_quad(stream[2], quad);
            s3 += dot_of_quad(stream[3], quad);
        }
    }
    dots->stream = stream;
    dots->sums[0] = s0, dots->sums[1] = s1, dots->sums[2] = s2, dots->sums[3] = s3;
}
