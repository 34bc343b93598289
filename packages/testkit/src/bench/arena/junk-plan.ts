/** Plans for floods of a contender's server. */
import { toHex } from '@postern/protocol';
import type { FloodPlan, JunkKind } from '../flood-sender.ts';
import type { Arena } from './arena.ts';
import { KNOCK_PORT, type Contender, type ContenderName } from './contender.ts';
import { sequenceOf } from './postern-gate.ts';
import { sourceIn, strangerIn } from './sources.ts';

/** What looks most like the real thing to each, and the same from many sources. */
export const SHAPED: Readonly<Record<ContenderName, readonly [JunkKind, spoofed: JunkKind]>> = {
  floor: ['length', 'spoofed'],
  'native-1': ['length', 'spoofed'],
  'native-2': ['length', 'spoofed'],
  fwknop: ['base64', 'spoofed-base64'],
  'fwknopd-udp': ['base64', 'spoofed-base64'],
  fwknopd: ['base64', 'spoofed-base64'],
  door: ['syn', 'spoofed-syn'],
  keyed: ['syn', 'spoofed-syn'],
  knockd: ['syn', 'spoofed-syn'],
};

/** Valid requests of one device: as many as it can seal in the time, more or less. */
const VALID_RATE = 2_500;

/** A flood of the contender's server. Only the native format has packets to copy and devices. */
export function junkPlan(
  arena: Arena,
  { network, gate }: Pick<Contender, 'network' | 'gate'>,
  { kind, rate, seconds }: Pick<FloodPlan, 'kind' | 'rate' | 'seconds'>,
): FloodPlan {
  const doors = Array.from({ length: network === arena.knockd ? 1 : 8 }, (_, i) => sequenceOf(i)).flat();
  const plan = { kind, rate, seconds, from: strangerIn(network), to: gate, port: KNOCK_PORT, ports: doors };
  const { native } = arena;
  if (native === undefined) return plan;
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  switch (kind) {
    case 'copied':
      return { ...plan, seen: base64(native.request(1, sourceIn(network, 0), native.hostile)) };
    case 'unsealed':
      return { ...plan, gateKey: toHex(native.sealing.gateKey) };
    case 'valid': {
      const count = Math.ceil(VALID_RATE * seconds);
      const packets = Array.from({ length: count }, () =>
        base64(native.request(1, strangerIn(network), native.hostile)),
      );
      return { ...plan, rate: VALID_RATE, most: count, packets };
    }
    default:
      return plan;
  }
}
