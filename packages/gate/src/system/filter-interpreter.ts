/** Runs classic BPF programs of `assembler.ts` in the tests, as the kernel would: the slow twin that the filters are checked against. */
import { OP } from './assembler.ts';

/** Reads instructions' data: offset and size in bytes; undefined ends the program with 0, as a load beyond the packet does. */
export type Load = (offset: number, size: 1 | 2 | 4) => number | undefined;

/** A packet as a socket filter sees it: big-endian loads and the packet type as ancillary data. */
export function packetLoad(packet: Uint8Array, packetType: number): Load {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  return (offset, size) => {
    if (offset === 0x1_0000_0000 - 0x1000 + 4) return packetType;
    if (offset + size > packet.length) return undefined;
    return size === 1 ? view.getUint8(offset) : size === 2 ? view.getUint16(offset) : view.getUint32(offset);
  };
}

/** Runs `program` and gives what it returns. @throws RangeError on what the kernel would not have attached */
export function runFilter(program: Uint8Array, load: Load, length: number): number {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const memory = new Uint32Array(16);
  let a = 0;
  let x = 0;
  for (let pc = 0; pc * 8 < program.length; pc++) {
    const code = view.getUint16(pc * 8, true);
    const k = view.getUint32(pc * 8 + 4, true);
    const jump = (taken: boolean): void => {
      pc += view.getUint8(pc * 8 + (taken ? 2 : 3));
    };
    let loaded: number | undefined = a;
    switch (code) {
      case OP.ld:
        loaded = load(k, 4);
        break;
      case OP.ldh:
        loaded = load(k, 2);
        break;
      case OP.ldb:
        loaded = load(k, 1);
        break;
      case OP.ldi:
        loaded = k;
        break;
      case OP.ldm:
        loaded = memory[k];
        break;
      case OP.ldlen:
        loaded = length;
        break;
      case OP.ldxm:
        x = memory[k] ?? 0;
        break;
      case OP.st:
        memory[k] = a;
        break;
      case OP.tax:
        x = a;
        break;
      case OP.txa:
        loaded = x;
        break;
      case OP.addx:
        loaded = a + x;
        break;
      case OP.orx:
        loaded = a | x;
        break;
      case OP.xorx:
        loaded = a ^ x;
        break;
      case OP.and:
        loaded = a & k;
        break;
      case OP.or:
        loaded = a | k;
        break;
      case OP.xor:
        loaded = a ^ k;
        break;
      case OP.lsh:
        loaded = a << k;
        break;
      case OP.rsh:
        loaded = a >>> k;
        break;
      case OP.jeq:
        jump(a === k);
        break;
      case OP.jgt:
        jump(a > k);
        break;
      case OP.jge:
        jump(a >= k);
        break;
      case OP.jset:
        jump((a & k) !== 0);
        break;
      case OP.jeqx:
        jump(a === x);
        break;
      case OP.ja:
        pc += k;
        break;
      case OP.ret:
        return k;
      default:
        throw new RangeError(`opcode ${String(code)} is unknown`);
    }
    if (loaded === undefined) return 0;
    a = loaded >>> 0;
  }
  throw new RangeError('the program ran off its end');
}
