import { inspect } from 'node:util';

const SHOWN = '[secret]';

/**
 * Secret bytes. They are bytes to every function that takes bytes, but no log, no error message, no JSON and no `console.log` shows
 * them: each shows `[secret]` instead. Parts of it (`subarray`, `slice`) are secret too.
 */
export class Secret extends Uint8Array {
  static {
    // A computed name in the class body would have no declaration of its own under isolatedDeclarations.
    Object.defineProperty(this.prototype, inspect.custom, { value: () => SHOWN });
  }

  /** The bytes as a plain array over the same memory, for what must compare or serialise them. */
  reveal(): Uint8Array {
    return new Uint8Array(this.buffer, this.byteOffset, this.byteLength);
  }

  toJSON(): string {
    return SHOWN;
  }

  override toString(): string {
    return SHOWN;
  }

  override toLocaleString(): string {
    return SHOWN;
  }

  override join(): string {
    return SHOWN;
  }
}
