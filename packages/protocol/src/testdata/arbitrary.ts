/** For tests only: what fast-check makes statements and receipts of. */
import fc from 'fast-check';
import type { DeviceId, RequestId, ServiceName, UnixMicros } from '../brand.ts';
import { toHex } from '../bytes.ts';
import { RECEIPT_STATUSES, type Receipt } from '../receipt.ts';
import { KINDS, type Kind, type StatedSource, type Statement } from '../statement.ts';

/** `size` bytes. */
export function bytesOf(size: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: size, maxLength: size });
}

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const micros = fc.maxSafeNat().map((time) => time as UnixMicros);
const observed = fc.constant<StatedSource>({ type: 'observed' });

const serviceName = fc
  .string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-'.split('')), minLength: 1, maxLength: 32 })
  .map((name) => name as ServiceName);

/** An address or prefix without host bits. */
const source = fc
  .tuple(fc.constantFrom<4 | 6>(4, 6), fc.integer({ min: 1, max: 128 }), bytesOf(16))
  .map(([type, length, bytes]): StatedSource => {
    const prefix = type === 4 ? ((length - 1) % 32) + 1 : length;
    if (type === 4) bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    else bytes[0] = 0x20;
    for (let bit = type === 4 ? prefix + 96 : Math.max(prefix, 8); bit < 128; bit++) {
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) & ~(0x80 >> (bit & 7));
    }
    return { type, prefix: type === 6 ? Math.max(prefix, 8) : prefix, address: bytes };
  });

/** Any canonical statement of `kind`. */
export function statementArbitrary(kind: Kind): fc.Arbitrary<Statement> {
  const grants = kind === 'open' || kind === 'extend';
  return fc.record(
    {
      kind: fc.constant(kind),
      singleUse: kind === 'open' ? fc.boolean() : fc.constant(false),
      device: bytesOf(16).map((id) => toHex(id) as DeviceId),
      era: u32,
      time: micros,
      stateId: bytesOf(8),
      requestId: bytesOf(8).map((id) => toHex(id) as RequestId),
      audience: bytesOf(16),
      source: grants ? fc.oneof(observed, source) : observed,
      seconds: grants ? u32 : fc.constant(0),
      service: grants || kind === 'close' ? serviceName : fc.constant(undefined),
      newDevice: kind === 'enrol' ? bytesOf(32) : fc.constant(undefined),
    },
    { noNullPrototype: true },
  );
}

/** Any canonical statement. */
export const anyStatement: fc.Arbitrary<Statement> = fc.oneof(...KINDS.map(statementArbitrary));

/** Any receipt that can be sealed. */
export const anyReceipt: fc.Arbitrary<Receipt> = fc.record(
  {
    status: fc.constantFrom(...RECEIPT_STATUSES),
    address: bytesOf(16),
    end: micros,
    now: micros,
    era: u32,
    stateId: bytesOf(8),
    nextKey: fc.option(
      bytesOf(32).filter((key) => key.some((byte) => byte !== 0)),
      { nil: undefined },
    ),
  },
  { noNullPrototype: true },
);
