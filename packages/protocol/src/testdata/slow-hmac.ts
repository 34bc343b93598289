/**
 * For tests only: HMAC-SHA256 (RFC 2104) over SHA-256 (FIPS 180-4) as the standards write them down, bit by bit where that is plainer,
 * for comparison with `fwknop/hmac-trial.ts`.
 */
import { concat } from '../bytes.ts';

const MOD = 2 ** 32;
const add = (...values: readonly number[]): number => values.reduce((sum, value) => (sum + value) % MOD, 0);
const rotr = (x: number, n: number): number => Math.floor(x / 2 ** n) + ((x % 2 ** n) * MOD) / 2 ** n;
const shr = (x: number, n: number): number => Math.floor(x / 2 ** n);
const bits = (f: (...b: readonly number[]) => number, ...words: readonly number[]): number => {
  let out = 0;
  for (let i = 31; i >= 0; i--) out = out * 2 + (f(...words.map((word) => shr(word, i) % 2)) & 1);
  return out;
};
const xor = (...words: readonly number[]): number => bits((...b) => b.reduce((sum, bit) => sum + bit, 0), ...words);

const PRIMES = Array.from({ length: 312 }, (_, n) => n).filter(
  (n) => n > 1 && !Array.from({ length: n }, (_, d) => d).some((d) => d > 1 && n % d === 0),
);
const fraction = (root: number): number => Math.floor((root % 1) * MOD);
const K = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
const H = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));

function sha256(message: Uint8Array): Uint8Array {
  const zeros = (((55 - message.length) % 64) + 64) % 64;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(message.length) * 8n);
  const padded = concat(message, Uint8Array.of(0x80), new Uint8Array(zeros), length);
  let state = H;
  for (let at = 0; at < padded.length; at += 64) {
    const view = new DataView(padded.buffer, at, 64);
    const w = Array.from({ length: 16 }, (_, i) => view.getUint32(4 * i));
    for (let t = 16; t < 64; t++) {
      const [w2 = 0, w7 = 0, w15 = 0, w16 = 0] = [w[t - 2], w[t - 7], w[t - 15], w[t - 16]];
      const s0 = xor(rotr(w15, 7), rotr(w15, 18), shr(w15, 3));
      const s1 = xor(rotr(w2, 17), rotr(w2, 19), shr(w2, 10));
      w.push(add(s1, w7, s0, w16));
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
    for (const [t, word] of w.entries()) {
      const choice = bits((x = 0, y = 0, z = 0) => (x === 1 ? y : z), e, f, g);
      const majority = bits((x = 0, y = 0, z = 0) => (x + y + z > 1 ? 1 : 0), a, b, c);
      const t1 = add(h, xor(rotr(e, 6), rotr(e, 11), rotr(e, 25)), choice, K[t] ?? 0, word);
      const t2 = add(xor(rotr(a, 2), rotr(a, 13), rotr(a, 22)), majority);
      [h, g, f, e, d, c, b, a] = [g, f, e, add(d, t1), c, b, a, add(t1, t2)];
    }
    state = [a, b, c, d, e, f, g, h].map((value, i) => add(value, state[i] ?? 0));
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (const [i, word] of state.entries()) digest.setUint32(4 * i, word);
  return new Uint8Array(digest.buffer);
}

export function slowHmacSha256(key: Uint8Array, text: Uint8Array): Uint8Array {
  const short = key.length > 64 ? sha256(key) : key;
  const padded = concat(short, new Uint8Array(64 - short.length));
  const mask = (byte: number): Uint8Array => padded.map((value) => value ^ byte);
  return sha256(concat(mask(0x5c), sha256(concat(mask(0x36), text))));
}
