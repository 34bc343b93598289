/** For tests only: HalfSipHash-2-4 as the paper puts it, one step after the other, on big integers; the 4 output bytes read little-endian. */
export function slowHalfSipHash24(key: Uint8Array, message: Uint8Array): number {
  const mask = 0xffff_ffffn;
  const little = (bytes: Uint8Array): bigint => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const rotate = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (32n - n))) & mask;
  const k0 = little(key.subarray(0, 4));
  const k1 = little(key.subarray(4, 8));
  let [v0, v1, v2, v3] = [k0, k1, 0x6c796765n ^ k0, 0x74656462n ^ k1];
  const sipRound = (): void => {
    v0 = (v0 + v1) & mask;
    v1 = rotate(v1, 5n);
    v1 ^= v0;
    v0 = rotate(v0, 16n);
    v2 = (v2 + v3) & mask;
    v3 = rotate(v3, 8n);
    v3 ^= v2;
    v0 = (v0 + v3) & mask;
    v3 = rotate(v3, 7n);
    v3 ^= v0;
    v2 = (v2 + v1) & mask;
    v1 = rotate(v1, 13n);
    v1 ^= v2;
    v2 = rotate(v2, 16n);
  };
  const padded = new Uint8Array(4 * (Math.floor(message.length / 4) + 1));
  padded.set(message);
  padded[padded.length - 1] = message.length & 0xff;
  for (let i = 0; i < padded.length; i += 4) {
    const m = little(padded.subarray(i, i + 4));
    v3 ^= m;
    sipRound();
    sipRound();
    v0 ^= m;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < 4; i++) sipRound();
  return Number(v1 ^ v3);
}
