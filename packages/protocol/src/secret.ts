const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/**
 * Bytes that no log, message or JSON shows: an ordinary Uint8Array that prints as `[secret, 32 bytes]` wherever it is turned into
 * text as a whole. What is cut out of it is secret too.
 */
export class SecretBytes extends Uint8Array {
  static {
    // A computed name in the class body would have no declaration of its own under isolatedDeclarations.
    Object.defineProperty(this.prototype, INSPECT, {
      value(this: SecretBytes): string {
        return this.toString();
      },
    });
  }

  override toString(): string {
    return `[secret, ${this.length} bytes]`;
  }

  override toLocaleString(): string {
    return this.toString();
  }

  toJSON(): string {
    return this.toString();
  }
}

/** The same memory as {@link SecretBytes}. */
export function secret(bytes: Uint8Array): SecretBytes {
  return new SecretBytes(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}
