/**
 * A gate in memory, built from the protocol's functions in the order of `docs/protocol.md`, without processes, firewall or files: what a
 * client is tested against. Not the product's gate, and written apart from it.
 */
import {
  contains,
  decide,
  deriveEpochKeys,
  deviceIdOf,
  type DeviceId,
  freshness,
  type FreshnessRow,
  heldEpochs,
  importStaticPrivate,
  importVerifier,
  type Invite,
  judge,
  macMatches,
  MICROS_PER_SECOND,
  type Prefix,
  type Random,
  type ReceiptStatus,
  record,
  type RequestId,
  sealReceipt,
  type Seconds,
  type ServiceName,
  type ServicePolicy,
  sourceAllowed,
  type Statement,
  type StaticPrivate,
  tagMatches,
  toHex,
  type UnixMicros,
  type Unsealed,
  unsealRequest,
  type UserPolicy,
  verifyStatement,
  type Verifier,
  windowOf,
} from '@postern/protocol';

/** A grant that the gate made. */
export interface MiniatureGrant {
  readonly device: DeviceId;
  readonly request: RequestId;
  readonly service: ServiceName;
  readonly source: Prefix;
  readonly singleUse: boolean;
  end: UnixMicros;
}

/** What a gate is made from. */
export interface MiniatureGateOptions {
  readonly random: Random;
  /** The gate's clock. */
  readonly now: () => UnixMicros;
}

const NONE = 0 as UnixMicros;
const HOUR = 3600 * MICROS_PER_SECOND;
const BURST = 64;

/** The gate. What tests change is public. */
export class MiniatureGate {
  readonly statics: { readonly 1: StaticPrivate; readonly 2: StaticPrivate };
  /** Current gate key and, while it is being rotated, the next. */
  gateKeys: readonly Uint8Array[];
  stateId: Uint8Array;
  rows: Map<DeviceId, FreshnessRow> = new Map();
  readonly devices: Map<DeviceId, Verifier> = new Map();
  readonly invites: Map<DeviceId, { readonly verifier: Verifier; usedBy: DeviceId | undefined }> = new Map();
  readonly services: Map<string, ServicePolicy> = new Map();
  user: UserPolicy;
  readonly grants: MiniatureGrant[] = [];
  /** Requests that were opened although they had been before, in another packet: the same grant. */
  repeated = 0;
  /** Every statement that was sealed to this gate, whoever signed it. */
  readonly heard: Statement[] = [];
  /** The key for keyed knocks of every enrolment that was done, the oldest first. */
  readonly knockKeys: Uint8Array[] = [];
  /** How many packets were refused in silence, by reason. */
  readonly refused: Map<string, number> = new Map();
  readonly #options: MiniatureGateOptions;
  readonly #rates = new Map<DeviceId, { tokens: number; at: UnixMicros }>();
  readonly #keys = new Map<string, ReturnType<typeof deriveEpochKeys>>();

  constructor(options: MiniatureGateOptions) {
    const { random } = options;
    this.#options = options;
    this.statics = { 1: importStaticPrivate(1, random(32)), 2: importStaticPrivate(2, random(32)) };
    this.gateKeys = [random(32)];
    this.stateId = random(8);
    this.user = {
      services: ['ssh' as ServiceName],
      ...{ from: undefined, maxSeconds: undefined, expires: undefined, revoked: undefined },
    };
    this.services.set('ssh', {
      name: 'ssh' as ServiceName,
      ...{ seconds: 30 as Seconds, maxSeconds: 3600 as Seconds, singleUse: false, observedSource: false },
      ...{ prefix4: 32, prefix6: 128 },
    });
  }

  /** A new one-time invite. */
  invite(seed: Uint8Array, publicKey: Uint8Array, more: Partial<Invite> = {}): Invite {
    const verifier = importVerifier(publicKey);
    if (verifier === undefined) throw new TypeError('a sound public key expected');
    this.invites.set(verifier.device, { verifier, usedBy: undefined });
    return {
      ...{ name: 'gate', seed, gateKey: this.#newestKey, stateId: this.stateId },
      ...{ x25519: this.statics[1].public.bytes, xwing: this.statics[2].public.bytes },
      ...{ addresses: ['192.0.2.1'], port: 62_201, pq: 'off', services: ['ssh' as ServiceName] },
      expires: (this.#options.now() + 24 * HOUR) as UnixMicros,
      ...more,
    };
  }

  /** Loses rows and state id, as when the database is deleted. */
  loseState(): void {
    this.stateId = this.#options.random(8);
    this.rows = new Map();
  }

  /** Takes any datagram from `observed` (16 bytes) and returns the receipt, or undefined: silence. */
  handle(packet: Uint8Array, observed: Uint8Array): Uint8Array | undefined {
    const now = this.#options.now();
    const found = this.#unseal(packet, now);
    if (found === undefined) return this.#refuse('envelope');
    const { unsealed, key } = found;
    const { statement, receiptKey, mac } = unsealed;
    this.heard.push(statement);
    const verifier = this.#verifierOf(statement);
    if (verifier === undefined) return this.#refuse('device');
    const service = statement.service === undefined ? undefined : this.services.get(statement.service);
    const source = sourceAllowed(statement, observed, service);
    if (!source.ok) return this.#refuse(source.reason);
    const before = this.rows.get(statement.device);
    const fresh = freshness(before, statement);
    if (!fresh.ok) return this.#refuse(fresh.reason);
    const { suite, encHash, nonce, plaintext } = unsealed;
    const staticHash = this.statics[suite].public.hash;
    const verified = verifyStatement({ suite, staticHash, encHash, nonce, plaintext, statement, verifier });
    if (!verified.ok) return this.#refuse(verified.reason);
    if (!this.#rate(statement.device, now)) return this.#refuse('rate-device');

    const window = windowOf(statement.kind, statement.source);
    const row = record(before, statement, now, window);
    this.rows.set(statement.device, row);
    const judged = judge(statement, now, window, this.stateId);
    const { status, end } = judged === 'ok' ? this.#act(statement, source.value, now) : { status: judged, end: NONE };
    if (statement.kind === 'enrol' && status === 'ok' && unsealed.knockKey !== undefined)
      this.knockKeys.push(unsealed.knockKey);
    const newest = this.#newestKey;
    const nextKey = key === newest ? undefined : newest;
    const receipt = { status, address: observed, end, now, era: row.era, stateId: this.stateId, nextKey };
    return sealReceipt(receiptKey, mac, receipt, this.#options.random(12));
  }

  get #newestKey(): Uint8Array {
    return this.gateKeys.at(-1) ?? new Uint8Array(32);
  }

  #unseal(packet: Uint8Array, now: UnixMicros): { unsealed: Unsealed; key: Uint8Array } | undefined {
    for (const key of this.gateKeys) {
      for (const epoch of heldEpochs(now)) {
        const keys = this.#epochKeys(key, epoch);
        if (!tagMatches(packet, keys.tag) || !macMatches(packet, keys.mac)) continue;
        const unsealed = unsealRequest(packet, keys.mask, this.statics);
        return unsealed.ok ? { unsealed: unsealed.value, key } : undefined;
      }
    }
    return undefined;
  }

  #epochKeys(key: Uint8Array, epoch: number): ReturnType<typeof deriveEpochKeys> {
    const name = `${toHex(key)} ${epoch}`;
    const keys = this.#keys.get(name) ?? deriveEpochKeys(key, epoch);
    this.#keys.set(name, keys);
    return keys;
  }

  #verifierOf({ kind, device, newDevice }: Statement): Verifier | undefined {
    if (kind !== 'enrol') return this.devices.get(device);
    const invite = this.invites.get(device);
    const used = invite?.usedBy;
    const same = newDevice !== undefined && deviceIdOf(newDevice) === used;
    return used === undefined || same ? invite?.verifier : undefined;
  }

  #act(statement: Statement, source: Prefix, now: UnixMicros): { status: ReceiptStatus; end: UnixMicros } {
    switch (statement.kind) {
      case 'whoami':
        return { status: 'ok', end: NONE };
      case 'enrol':
        return { status: this.#enrol(statement) ? 'ok' : 'failed', end: NONE };
      case 'close':
        for (const grant of this.grants) {
          if (grant.device === statement.device && grant.service === statement.service && grant.end > now)
            grant.end = now;
        }
        return { status: 'ok', end: NONE };
      case 'open':
      case 'extend':
        return this.#grant(statement, source, now);
    }
  }

  #grant(statement: Statement, source: Prefix, now: UnixMicros): { status: ReceiptStatus; end: UnixMicros } {
    const refused = { status: 'not-permitted', end: NONE } as const;
    const service = statement.service === undefined ? undefined : this.services.get(statement.service);
    const device = { expires: undefined, revoked: undefined };
    const decided = decide({ claim: statement, source, service, user: this.user, device, now });
    if (!decided.ok || service === undefined) return refused;
    const { seconds, singleUse } = decided.value;
    const end = (now + seconds * MICROS_PER_SECOND) as UnixMicros;
    const mine = this.grants.filter((grant) => grant.device === statement.device && grant.service === service.name);
    const known = mine.find(({ request }) => request === statement.requestId);
    if (known !== undefined && statement.kind === 'open') {
      this.repeated++;
      return { status: 'ok', end: known.end };
    }
    if (statement.kind === 'extend') {
      const live = mine.find((grant) => grant.end > now && contains(grant.source, source));
      if (live === undefined) return refused;
      live.end = end;
      return { status: 'ok', end };
    }
    this.grants.push({
      ...{ device: statement.device, request: statement.requestId, service: service.name },
      ...{ source: decided.value.source, singleUse, end },
    });
    return { status: 'ok', end };
  }

  #enrol({ device, newDevice }: Statement): boolean {
    const verifier = newDevice === undefined ? undefined : importVerifier(newDevice);
    const invite = this.invites.get(device);
    if (verifier === undefined || invite === undefined) return false;
    invite.usedBy = verifier.device;
    this.devices.set(verifier.device, verifier);
    return true;
  }

  #rate(device: DeviceId, now: UnixMicros): boolean {
    const bucket = this.#rates.get(device) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, bucket.tokens + Math.max(0, now - bucket.at) / MICROS_PER_SECOND);
    this.#rates.set(device, { tokens: Math.max(tokens - 1, 0), at: now });
    return tokens >= 1;
  }

  #refuse(reason: string): Uint8Array | undefined {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
    return undefined;
  }
}
