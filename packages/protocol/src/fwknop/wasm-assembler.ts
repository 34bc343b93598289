/**
 * An assembler of WebAssembly (Core Specification 2.0, chapter 5, "Binary Format"), as far as four HMACs at a time need it: functions of
 * i32 parameters without results, on one memory that is imported. Numbers in brackets are sections of the specification.
 */
import { ascii } from '../bytes.ts';

/** Bytes of instructions. */
export type Code = readonly number[];

/** A function: its parameters come first among its locals, then its own i32, then its v128, all of them 0 at the start. */
export interface WasmFunction {
  readonly parameters: number;
  readonly integers: number;
  readonly vectors: number;
  readonly body: Code;
}

/** Where the memory is imported from. */
export const MEMORY = ['host', 'memory'] as const;

/** Unsigned LEB128 (5.2.2). */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128 (5.2.2). */
function signed(value: number): Code {
  return value >= -0x40 && value < 0x40 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}

/** An alignment, as the exponent of 2, and an offset (5.4.6). */
function place(alignment: number, offset: number): Code {
  return [alignment, ...unsigned(offset)];
}

/** A vector instruction (5.4.8). */
function vector(opcode: number, ...immediate: Code): Code {
  return [0xfd, ...unsigned(opcode), ...immediate];
}

/** The instructions, named as in the text format. */
export const wasm = {
  /** A loop without a result: `again` as its last instruction runs it once more unless it takes 0 (5.4.1). */
  loop: (...body: readonly Code[]): Code => [0x03, 0x40, ...body.flat(), 0x0b],
  again: [0x0d, 0] as Code,
  call: (index: number): Code => [0x10, ...unsigned(index)],
  /** Locals (5.4.4). */
  get: (local: number): Code => [0x20, ...unsigned(local)],
  set: (local: number): Code => [0x21, ...unsigned(local)],
  tee: (local: number): Code => [0x22, ...unsigned(local)],
  /** Memory (5.4.6). */
  i32Load: (offset: number): Code => [0x28, ...place(2, offset)],
  i32Store8: (offset: number): Code => [0x3a, ...place(0, offset)],
  /** Numbers (5.4.7). */
  i32Const: (value: number): Code => [0x41, ...signed(value)],
  i32LtU: [0x49] as Code,
  i32Add: [0x6a] as Code,
  /** Vectors (5.4.8). */
  v128Load: (offset: number): Code => vector(0, ...place(4, offset)),
  v128Load32Splat: (offset: number): Code => vector(9, ...place(2, offset)),
  v128Store: (offset: number): Code => vector(11, ...place(4, offset)),
  v128Load32Lane: (offset: number, lane: number): Code => vector(86, ...place(2, offset), lane),
  i32x4Eq: [0xfd, 0x37] as Code,
  v128And: [0xfd, 0x4e] as Code,
  v128Or: [0xfd, 0x50] as Code,
  v128Xor: [0xfd, 0x51] as Code,
  i32x4Bitmask: [0xfd, 0xa4, 0x01] as Code,
  i32x4Shl: [0xfd, 0xab, 0x01] as Code,
  i32x4ShrU: [0xfd, 0xad, 0x01] as Code,
  i32x4Add: [0xfd, 0xae, 0x01] as Code,
} as const;

/** A module (5.5.16) of functions, by their index; the last one is exported under a name. */
export function assembleModule(functions: readonly WasmFunction[], exported: string): Uint8Array {
  const [i32, v128] = [0x7f, 0x7b];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      functions.map(({ parameters }) => [0x60, ...list(Array.from({ length: parameters }, () => [i32])), 0]),
    ),
    // At least one page, however many there may be at most.
    ...section(2, [[...MEMORY.flatMap(name), 0x02, 0, 1]]),
    ...section(
      3,
      functions.map((_, index) => unsigned(index)),
    ),
    ...section(7, [[...name(exported), 0x00, ...unsigned(functions.length - 1)]]),
    ...section(
      10,
      functions.map(({ integers, vectors, body }) =>
        sized([
          ...list([
            [...unsigned(integers), i32],
            [...unsigned(vectors), v128],
          ]),
          ...body,
          0x0b,
        ]),
      ),
    ),
  ]);
}

/** A vector of the binary format (5.1.3). */
function list(entries: readonly Code[]): Code {
  return [...unsigned(entries.length), ...entries.flat()];
}

function sized(bytes: Code): Code {
  return [...unsigned(bytes.length), ...bytes];
}

/** A section (5.5.2). */
function section(id: number, entries: readonly Code[]): Code {
  return [id, ...sized(list(entries))];
}

/** A name (5.2.4), of ASCII. */
function name(text: string): Code {
  return sized([...ascii(text)]);
}
