/**
 * An assembler of classic BPF, the language of socket filters and of seccomp (linux/filter.h; McCanne and Jacobson, "The BSD Packet
 * Filter", 1993). An instruction has 8 bytes, little-endian: opcode u16, jump if true u8, jump if false u8, operand u32.
 */

/** Opcodes, named as in the kernel's own `bpf_asm`. A is the accumulator, X the index register, M[k] one of 16 words of memory. */
export const OP = {
  /** A = u32, u16 or u8 of the packet at k, big-endian; beyond its end the filter returns 0. */
  ld: 0x20,
  ldh: 0x28,
  ldb: 0x30,
  /** A = k. */
  ldi: 0x00,
  /** A = M[k]. */
  ldm: 0x60,
  /** A = length of the packet. */
  ldlen: 0x80,
  /** X = M[k]. */
  ldxm: 0x61,
  /** M[k] = A. */
  st: 0x02,
  tax: 0x07,
  txa: 0x87,
  addx: 0x0c,
  orx: 0x4c,
  xorx: 0xac,
  and: 0x54,
  or: 0x44,
  xor: 0xa4,
  lsh: 0x64,
  rsh: 0x74,
  jeq: 0x15,
  jgt: 0x25,
  jge: 0x35,
  jset: 0x45,
  /** Jump if A == X. */
  jeqx: 0x1d,
  /** Goes on k instructions further, however far. */
  ja: 0x05,
  ret: 0x06,
} as const;

/** A jump's condition. */
export type Test = 'jeq' | 'jgt' | 'jge' | 'jset' | 'jeqx';

/** Any other operation. */
export type Operation = Exclude<keyof typeof OP, Test | 'ja'>;

/** The most instructions that the kernel takes. */
export const MOST_INSTRUCTIONS = 4096;

interface Instruction {
  readonly code: number;
  readonly k: number;
  readonly then: string | undefined;
  readonly otherwise: string | undefined;
}

/** Collects instructions; every method but {@link Assembler.bytes} returns the assembler itself. */
export class Assembler {
  readonly #instructions: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  /** Number of instructions so far. */
  get size(): number {
    return this.#instructions.length;
  }

  /** Adds an operation. */
  do(operation: Operation, k = 0): this {
    return this.#add(OP[operation], k);
  }

  /** Goes on at `then` if the test of A against k (or X) holds, else at `otherwise`; undefined is the next instruction. */
  if(test: Test, k: number, then: string | undefined, otherwise?: string): this {
    return this.#add(OP[test], k, then, otherwise);
  }

  /** Goes on at a label, which may be further away than a test can jump. */
  jump(to: string): this {
    return this.#add(OP.ja, 0, to);
  }

  /** Names the next instruction. @throws RangeError when the name is taken */
  label(name: string): this {
    if (this.#labels.has(name)) throw new RangeError(`label ${name} is there twice`);
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  /** The program, 8 bytes an instruction. @throws RangeError when a jump cannot be encoded or the program is too long */
  bytes(): Uint8Array {
    if (this.size > MOST_INSTRUCTIONS) throw new RangeError(`${String(this.size)} instructions are too many`);
    const bytes = new Uint8Array(new ArrayBuffer(this.size * 8));
    const view = new DataView(bytes.buffer);
    this.#instructions.forEach(({ code, k, then, otherwise }, index) => {
      view.setUint16(index * 8, code, true);
      if (code === OP.ja) {
        view.setUint32(index * 8 + 4, this.#distance(index, then, MOST_INSTRUCTIONS), true);
        return;
      }
      view.setUint8(index * 8 + 2, this.#distance(index, then));
      view.setUint8(index * 8 + 3, this.#distance(index, otherwise));
      view.setUint32(index * 8 + 4, k >>> 0, true);
    });
    return bytes;
  }

  #add(code: number, k: number, then?: string, otherwise?: string): this {
    this.#instructions.push({ code, k, then, otherwise });
    return this;
  }

  #distance(from: number, name: string | undefined, most = 255): number {
    if (name === undefined) return 0;
    const target = this.#labels.get(name);
    if (target === undefined) throw new RangeError(`label ${name} is nowhere`);
    const distance = target - from - 1;
    if (distance < 0 || distance > most) throw new RangeError(`label ${name} is ${String(distance)} instructions away`);
    return distance;
  }
}
