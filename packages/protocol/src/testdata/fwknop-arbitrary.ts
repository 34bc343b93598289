/** For tests only: any message that may be written, and what goes with it. */
import fc from 'fast-check';
import { FWKNOP_MODES, type FwknopMode } from '../fwknop/cipher.ts';
import { FWKNOP_DIGESTS, type FwknopDigest } from '../fwknop/digest.ts';
import type { FwknopMessage } from '../fwknop/message.ts';
import type { FwknopHmac } from '../fwknop/seal.ts';

/** Objects as literals make them. */
const PLAIN = { noNullPrototype: true };

export const anyDigest: fc.Arbitrary<FwknopDigest> = fc.constantFrom(...FWKNOP_DIGESTS);
export const anyMode: fc.Arbitrary<FwknopMode> = fc.constantFrom(...FWKNOP_MODES);
export const anyKey: fc.Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 1, maxLength: 32 });
export const anyHmac: fc.Arbitrary<FwknopHmac> = fc.record({
  digest: anyDigest,
  key: fc.uint8Array({ minLength: 1, maxLength: 136 }),
});
export const anySalt: fc.Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 8, maxLength: 8 });

const characters = (allowed: string, most: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...Array.from(allowed)), minLength: 1, maxLength: most });
const port = fc.integer({ min: 1, max: 65535 });
const ports = fc.array(fc.record({ protocol: fc.constantFrom('tcp', 'udp'), port }, PLAIN), {
  minLength: 1,
  maxLength: 15,
});
const timeout = fc.integer({ min: 0, max: 65536 });
const address4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((tail) => {
  const bytes = new Uint8Array(16).fill(0xff, 10, 12);
  bytes.set(tail.some((byte) => byte !== 0) ? tail : [192, 0, 2, 1], 12);
  return bytes;
});
const address6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.of(0x20, ...bytes.slice(1)));

const asked = fc.oneof(
  fc.record({
    kind: fc.constant('command' as const),
    command: characters('abc /-,:;ü€"\'\t', 60),
  }),
  fc.record({ kind: fc.constant('access' as const), ports, timeout }),
  fc.record({
    kind: fc.constantFrom('nat-access' as const, 'local-nat-access' as const),
    ports,
    nat: fc.record({ host: characters('abc.0123:-_', 70), port }, PLAIN),
    timeout,
  }),
);

export const anyMessage: fc.Arbitrary<FwknopMessage> = fc
  .tuple(
    fc.record(
      {
        random: fc.stringMatching(/^[0-9]{16}$/),
        user: characters("aZ09 !#$%&'()-.@^_`{}~", 48),
        time: fc.nat(0xffff_ffff),
        version: characters('0123.a- ', 8),
        source: fc.oneof(fc.constant(undefined), address4, address6),
        serverAuth: characters('abc,:ü', 30),
      },
      { requiredKeys: ['random', 'user', 'time', 'version', 'source'], noNullPrototype: true },
    ),
    asked,
  )
  .map(([common, kind]) => ({ ...common, ...kind }));
