/** The rounds of `hmac-trial.ts` for four keys at a time, as a WebAssembly module: a lane of each vector belongs to one key. */
import { assembleModule, type Code, wasm, type WasmFunction } from './wasm-assembler.ts';

/** Where what is in the memory; bytes. Vectors of 16 bytes have a word of each of the four keys. */
export const TRIAL_MEMORY = {
  /** 8 vectors: states. */
  state: 0,
  /** 8 words: the mac that came. */
  mac: 128,
  /** 64 vectors: the constants of the rounds, the same in all lanes. */
  constants: 256,
  /** 64 vectors: schedules of the block that the inner hash is in. The eight from `padding` on never change. */
  outer: 1280,
  padding: 1408,
  /** The schedule of the text, 64 words a block. */
  text: 2304,
} as const;

/** Bytes of a key in the memory: its two states, the inner one first. */
export const TRIAL_KEY = 64;

/** The name of its function: `(selected, end, result, textEnd)`, all of them addresses. */
export const TRIAL = 'trial';

const { state, mac, constants, outer, text } = TRIAL_MEMORY;
const { get, set, tee, i32Const, i32Add, i32LtU, v128Load, v128Store, i32x4Add, v128Xor, v128And } = wasm;
const WORDS = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** FIPS 180-4, section 3.2. */
function shiftRight(vector: Code, bits: number): Code {
  return [...vector, ...i32Const(bits), ...wasm.i32x4ShrU];
}

function rotateRight(vector: Code, bits: number): Code {
  return [...shiftRight(vector, bits), ...vector, ...i32Const(32 - bits), ...wasm.i32x4Shl, ...wasm.v128Or];
}

function xorAll(first: Code, ...others: readonly Code[]): Code {
  return [...first, ...others.flatMap((other) => [...other, ...v128Xor])];
}

/** Local += bytes, and whether it is below another one then. */
function step(local: number, bytes: number, end: number): Code {
  return [...get(local), ...i32Const(bytes), ...i32Add, ...tee(local), ...get(end), ...i32LtU];
}

/**
 * A function that takes the state through the 64 rounds of one block (FIPS 180-4, section 6.2.2, steps 2 to 4).
 *
 * @param word - puts the word of a round, of 8, on the stack; the constant added. Local 0 goes on by 8 words each 8 rounds
 * @param stride - bytes from one word to the next
 */
function compress(word: (round: number) => Code, stride: number): WasmFunction {
  const [at, end] = [0, 1];
  const locals = WORDS.map((index) => 2 + index);
  const [differs, differed] = [10, 11];
  const [, b0 = 0, c0 = 0] = locals;
  const body: Code[] = [
    [...get(at), ...i32Const(64 * stride), ...i32Add, ...set(end)],
    ...locals.map((local, i) => [...i32Const(state), ...v128Load(16 * i), ...set(local)]),
    [...get(b0), ...get(c0), ...v128Xor, ...set(differed)],
  ];
  const rounds = WORDS.map((round): Code => {
    // What was a is b in the next round, and so on; after 8 rounds the names are as they were.
    const [a = 0, b = 0, , d = 0, e = 0, f = 0, g = 0, h = 0] = WORDS.map((i) => locals[(i + 8 - round) % 8] ?? 0);
    // a ^ b is b ^ c in the next round.
    const [ab, bc] = round % 2 === 0 ? [differs, differed] : [differed, differs];
    const one = get(e);
    const zero = get(a);
    return [
      ...[...get(h), ...xorAll(rotateRight(one, 6), rotateRight(one, 11), rotateRight(one, 25)), ...i32x4Add],
      // Ch(e, f, g)
      ...[...get(f), ...get(g), ...v128Xor, ...one, ...v128And, ...get(g), ...v128Xor, ...i32x4Add],
      ...[...word(round), ...i32x4Add, ...tee(h), ...get(d), ...i32x4Add, ...set(d)],
      ...[...get(h), ...xorAll(rotateRight(zero, 2), rotateRight(zero, 13), rotateRight(zero, 22)), ...i32x4Add],
      // Maj(a, b, c)
      ...[...zero, ...get(b), ...v128Xor, ...tee(ab), ...get(bc), ...v128And, ...get(b), ...v128Xor, ...i32x4Add],
      ...set(h),
    ];
  });
  body.push(wasm.loop(...rounds, step(at, 8 * stride, end), wasm.again));
  for (const [i, local] of locals.entries())
    body.push([
      ...i32Const(state),
      ...i32Const(state),
      ...v128Load(16 * i),
      ...get(local),
      ...i32x4Add,
      ...v128Store(16 * i),
    ]);
  return { parameters: 1, integers: 1, vectors: 10, body: body.flat() };
}

/** Text: one schedule for all keys, the constants in it. */
const compressText = compress((round) => [...get(0), ...wasm.v128Load32Splat(4 * round)], 4);

const compressOuter = compress(
  (round) => [...get(0), ...v128Load(outer + 16 * round), ...get(0), ...v128Load(constants + 16 * round), ...i32x4Add],
  16,
);

/** Makes the other 48 words of the outer schedules (FIPS 180-4, section 6.2.2, step 1). */
function expandOuter(): WasmFunction {
  const [at, end, a, b] = [0, 1, 2, 3];
  const word = (index: number): Code => [...get(at), ...v128Load(outer + 16 * index)];
  const body = [
    [...i32Const(48 * 16), ...set(end)],
    wasm.loop(
      [...word(1), ...set(a), ...word(14), ...set(b)],
      [...get(at), ...word(0), ...word(9), ...i32x4Add],
      [...xorAll(rotateRight(get(a), 7), rotateRight(get(a), 18), shiftRight(get(a), 3)), ...i32x4Add],
      [...xorAll(rotateRight(get(b), 17), rotateRight(get(b), 19), shiftRight(get(b), 10)), ...i32x4Add],
      v128Store(outer + 16 * 16),
      step(at, 16, end),
      wasm.again,
    ),
  ];
  return { parameters: 0, integers: 2, vectors: 2, body: body.flat() };
}

/** Collects a state of the four keys whose addresses are at the first parameter; the second one is which: 0 inner, 32 outer. */
function gather(): WasmFunction {
  const keys = [2, 3, 4, 5];
  const none = 6;
  const body = [
    ...keys.map((key, i) => [...get(0), ...wasm.i32Load(4 * i), ...get(1), ...i32Add, ...set(key)]),
    ...WORDS.map((word) => {
      const lanes = keys.reduce<Code>(
        (before, key, lane) => [...get(key), ...before, ...wasm.v128Load32Lane(4 * word, lane)],
        get(none),
      );
      return [...i32Const(state), ...lanes, ...v128Store(16 * word)];
    }),
  ];
  return { parameters: 2, integers: 4, vectors: 1, body: body.flat() };
}

/** What is called: for each four addresses of keys, the bits of those whose HMAC is the mac. */
function trial(index: Readonly<Record<'gather' | 'text' | 'expand' | 'outer', number>>): WasmFunction {
  const [selected, end, result, textEnd, at] = [0, 1, 2, 3, 4];
  const [differs, none] = [5, 6];
  const body = wasm.loop(
    [...get(selected), ...i32Const(0), ...wasm.call(index.gather)],
    [...i32Const(text), ...set(at)],
    wasm.loop([...get(at), ...wasm.call(index.text)], step(at, 256, textEnd), wasm.again),
    ...WORDS.map((word) => [...i32Const(outer), ...i32Const(state), ...v128Load(16 * word), ...v128Store(16 * word)]),
    wasm.call(index.expand),
    [...get(selected), ...i32Const(32), ...wasm.call(index.gather)],
    [...i32Const(0), ...wasm.call(index.outer)],
    // All words are looked at, wherever they differ.
    [...get(none), ...set(differs)],
    ...WORDS.map((word) => [
      ...[...i32Const(state), ...v128Load(16 * word), ...i32Const(mac), ...wasm.v128Load32Splat(4 * word), ...v128Xor],
      ...[...get(differs), ...wasm.v128Or, ...set(differs)],
    ]),
    [...get(result), ...get(differs), ...get(none), ...wasm.i32x4Eq, ...wasm.i32x4Bitmask, ...wasm.i32Store8(0)],
    [...get(result), ...i32Const(1), ...i32Add, ...set(result)],
    step(selected, 16, end),
    wasm.again,
  );
  return { parameters: 4, integers: 1, vectors: 2, body };
}

/** The module; always the same bytes. */
export function trialModule(): Uint8Array {
  const index = { gather: 0, text: 1, expand: 2, outer: 3 } as const;
  return assembleModule([gather(), compressText, expandOuter(), compressOuter, trial(index)], TRIAL);
}
