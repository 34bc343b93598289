/**
 * HMAC-SHA256 (RFC 2104, FIPS 180-4) of one text under many keys.
 *
 * Nothing in an fwknop packet says whose it is, so a server tries every key it has, and anybody can make it do so. Of each key the
 * states after its first blocks are kept; of each text the message schedule, which is the same for all keys, is made once. What is
 * left for a key are the rounds.
 */
import { digestOf } from '../crypto.ts';

const BLOCK = 64;
const WORDS = 8;

/** The states of one key after the blocks that HMAC puts before the text and before the inner hash. Secret. */
export interface TrialKey {
  readonly inner: Int32Array;
  readonly outer: Int32Array;
}

/** Makes a key of any length ready. */
export function trialKey(key: Uint8Array): TrialKey {
  const short = key.length > BLOCK ? digestOf('sha256', key) : key;
  return { inner: stateAfter(short, 0x36), outer: stateAfter(short, 0x5c) };
}

/** A text of at most `most` bytes whose HMAC is wanted under one key after the other. Its memory is used again for the next. */
export class HmacTrial {
  /** Message schedule of every block, the constants of the rounds already added. */
  readonly #schedule: Int32Array;
  #words = 0;
  readonly #outer: Int32Array = new Int32Array(64);
  readonly #state: Int32Array = new Int32Array(WORDS);

  constructor(most: number) {
    this.#schedule = new Int32Array(scheduleWords(most));
  }

  /** Takes a text. @throws RangeError if it is longer than the constructor was told */
  load(text: Uint8Array): void {
    const size = scheduleWords(text.length);
    if (size > this.#schedule.length) throw new RangeError('hmac trial: the text is too long');
    const padded = new Uint8Array(size);
    padded.set(text);
    padded[text.length] = 0x80;
    // The block of the key comes before the text and counts.
    const bits = new DataView(padded.buffer);
    bits.setUint32(size - 4, (BLOCK + text.length) * 8);
    for (let at = 0; at < size; at += BLOCK) {
      for (let word = 0; word < 16; word++) this.#schedule[at + word] = bits.getInt32(at + 4 * word);
      expand(this.#schedule, at);
    }
    this.#words = size;
  }

  /** The message schedule of every block of the text, 64 words each, the constants of the rounds already added; until the next text. */
  get schedule(): Int32Array {
    return this.#schedule.subarray(0, this.#words);
  }

  /** Whether the HMAC of the text under `key` is `mac`, 8 big-endian words; takes the same time wherever it differs. */
  matches(key: TrialKey, mac: Int32Array): boolean {
    const state = this.#state;
    state.set(key.inner);
    for (let at = 0; at < this.#words; at += BLOCK) compress(state, this.#schedule, at);
    const outer = this.#outer;
    outer.set(state);
    outer.fill(0, WORDS, 15);
    outer[WORDS] = 0x8000_0000;
    outer[15] = (BLOCK + 32) * 8;
    expand(outer, 0);
    state.set(key.outer);
    compress(state, outer, 0);
    let differs = mac.length ^ WORDS;
    for (let i = 0; i < WORDS; i++) differs |= (state[i] ?? 0) ^ (mac[i] ?? 0);
    return differs === 0;
  }
}

/** Bytes of the blocks that a text fills with the end mark and its length; words of their message schedules, too. */
export function scheduleWords(size: number): number {
  return Math.ceil((size + 9) / BLOCK) * BLOCK;
}

function stateAfter(key: Uint8Array, pad: number): Int32Array {
  const block = new Uint8Array(BLOCK).fill(pad);
  for (let i = 0; i < key.length; i++) block[i] = pad ^ (key[i] ?? 0);
  const words = new DataView(block.buffer);
  const schedule = new Int32Array(64);
  for (let i = 0; i < 16; i++) schedule[i] = words.getInt32(4 * i);
  expand(schedule, 0);
  const state = INITIAL.slice();
  compress(state, schedule, 0);
  return state;
}

/** Makes 64 words of the 16 at `at` (FIPS 180-4, section 6.2.2, step 1), and adds the constant of each round. */
function expand(w: Int32Array, at: number): void {
  for (let i = at + 16; i < at + 64; i++) {
    const a = w[i - 15] ?? 0;
    const b = w[i - 2] ?? 0;
    const s0 = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
    const s1 = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
    w[i] = (w[i - 16] ?? 0) + s0 + (w[i - 7] ?? 0) + s1;
  }
  for (let i = 0; i < 64; i++) w[at + i] = (w[at + i] ?? 0) + (ROUND_CONSTANTS[i] ?? 0);
}

/** The 64 rounds over one block (FIPS 180-4, section 6.2.2, steps 2 to 4). */
function compress(state: Int32Array, w: Int32Array, at: number): void {
  let a = state[0] ?? 0;
  let b = state[1] ?? 0;
  let c = state[2] ?? 0;
  let d = state[3] ?? 0;
  let e = state[4] ?? 0;
  let f = state[5] ?? 0;
  let g = state[6] ?? 0;
  let h = state[7] ?? 0;
  for (let i = at; i < at + 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + (w[i] ?? 0)) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = (state[0] ?? 0) + a;
  state[1] = (state[1] ?? 0) + b;
  state[2] = (state[2] ?? 0) + c;
  state[3] = (state[3] ?? 0) + d;
  state[4] = (state[4] ?? 0) + e;
  state[5] = (state[5] ?? 0) + f;
  state[6] = (state[6] ?? 0) + g;
  state[7] = (state[7] ?? 0) + h;
}

/** The first 32 bits of the fraction of `root` of each of the first `count` primes (FIPS 180-4, sections 4.2.2 and 5.3.3). */
function fractions(count: number, root: (prime: number) => number): Int32Array {
  const words = new Int32Array(count);
  for (let prime = 2, found = 0; found < count; prime++) {
    let divisor = 2;
    while (divisor * divisor <= prime && prime % divisor !== 0) divisor++;
    if (divisor * divisor > prime) words[found++] = (root(prime) % 1) * 0x1_0000_0000;
  }
  return words;
}

/** The constants of the 64 rounds. */
export const ROUND_CONSTANTS: Int32Array = fractions(64, Math.cbrt);
const INITIAL = fractions(8, Math.sqrt);
