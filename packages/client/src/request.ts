/** What is asked for, and one packet that asks for it. */
import {
  deriveEpochKeys,
  deviceIdOf,
  type DeviceId,
  epochOf,
  importSigner,
  importStaticPublic,
  type Kind,
  nextRequest,
  type Prefix,
  type Random,
  type RequestId,
  sealRequest,
  type SealedRequest,
  type ServiceName,
  type Signer,
  type StatedSource,
  type StaticPublic,
  toHex,
  type UnixMicros,
} from '@postern/protocol';
import type { Host, Memory } from './host.ts';

/** Whose address a grant is for: found out (`auto`), left to the gate, or as stated. */
export type SourceChoice = 'auto' | 'observed' | Prefix;

/** What is asked for. */
export type Ask =
  | {
      readonly kind: 'open' | 'extend';
      readonly service: ServiceName;
      /** 0 = the service's own. */
      readonly seconds: number;
      /** With `open` only. */
      readonly singleUse: boolean;
      readonly source: SourceChoice;
    }
  | { readonly kind: 'close'; readonly service: ServiceName }
  | { readonly kind: 'whoami' }
  | { readonly kind: 'enrol'; readonly newDevice: Uint8Array };

/** Who asks, and whom. */
export interface Party {
  readonly signer: Signer;
  /** The device, or for an enrolment the invite. */
  readonly id: DeviceId;
  readonly gate: StaticPublic;
}

/** What the signing key of a party remembers; a change is durable and alone when it returns. */
export interface Keeper {
  update(change: (memory: Memory) => Memory): Promise<Memory>;
}

/** The device as a party. */
export function deviceParty(host: Host): Party {
  return partyOf(host, host.seed);
}

/** A party whose key has this seed, 32 bytes: the device, or an invite to its gate. */
export function partyOf({ gate, pq }: Pick<Host, 'gate' | 'pq'>, seed: Uint8Array): Party {
  const signer = importSigner(seed);
  // Suite 2 exactly where the gate asks for it: falling back in silence would be for an attacker to choose.
  const { xwing, x25519 } = gate;
  if (pq === 'required' && xwing === undefined) throw new TypeError('pq is required, but there is no X-Wing key');
  const suited =
    pq === 'required' && xwing !== undefined ? importStaticPublic(2, xwing) : importStaticPublic(1, x25519);
  return { signer, id: deviceIdOf(signer.publicKey), gate: suited };
}

/** An id for one request, the same in all its packets. */
export function newRequestId(random: Random): RequestId {
  return toHex(random(8)) as RequestId;
}

/** Era and time of one packet, already kept: it may leave. */
export interface Ticket {
  readonly era: number;
  readonly time: UnixMicros;
  /** The gate's clock as far as it is known: chooses the epoch. */
  readonly clock: UnixMicros;
  readonly stateId: Uint8Array;
  /** The gate key that the packet is sealed with. */
  readonly gateKey: Uint8Array;
}

/**
 * Takes `count` tickets of one try, a microsecond apart. They are durable when this returns, so that no crash lets a time be used twice.
 *
 * @param attempt - the number of this try from 1, counting those before that were met with silence
 */
export async function takeTickets(
  keeper: Keeper,
  now: () => UnixMicros,
  attempt: number,
  count: number,
): Promise<{ readonly tickets: readonly Ticket[]; readonly memory: Memory }> {
  const tickets: Ticket[] = [];
  const memory = await keeper.update((before) => {
    const gateKey = keyFor(before, attempt);
    const { state, era, time, clock } = nextRequest(before.sender, now(), attempt);
    for (let i = 0; i < count; i++) {
      tickets.push({ era, time: (time + i) as UnixMicros, clock, stateId: state.stateId, gateKey });
    }
    return { ...before, sender: { ...state, last: (time + count - 1) as UnixMicros } };
  });
  return { tickets, memory };
}

/**
 * The newest gate key at first; in silence the former one for two tries, the newest for two, and so on, as the gate may have gone back to a backup.
 * By twos, because `nextRequest` tells even tries from odd ones.
 */
function keyFor({ sender, formerKey }: Memory, attempt: number): Uint8Array {
  return formerKey !== undefined && attempt >= 3 && (attempt - 3) % 4 < 2 ? formerKey : sender.gateKey;
}

/** Seals one packet. `source` is where an `open` or `extend` is for. */
export function sealTicket(
  { signer, id, gate }: Party,
  ask: Ask | { readonly kind: 'whoami' },
  source: StatedSource,
  ticket: Ticket,
  requestId: RequestId,
  random: Random,
): SealedRequest {
  const grants = ask.kind === 'open' || ask.kind === 'extend';
  const kind: Kind = ask.kind;
  return sealRequest({
    gate,
    keys: deriveEpochKeys(ticket.gateKey, epochOf(ticket.clock)),
    signer,
    random,
    statement: {
      kind,
      singleUse: ask.kind === 'open' && ask.singleUse,
      device: id,
      ...{ era: ticket.era, time: ticket.time, stateId: ticket.stateId },
      requestId,
      audience: gate.audience,
      source: grants ? source : { type: 'observed' },
      seconds: grants ? ask.seconds : 0,
      service: grants || ask.kind === 'close' ? ask.service : undefined,
      newDevice: ask.kind === 'enrol' ? ask.newDevice : undefined,
    },
  });
}
