/** For tests only: every check of a gate in its order, composed of the product's functions, over what a vector says that the gate knows. */
import { type Prefix, parseAddress, parsePrefix } from '../address.ts';
import type { DeviceId, Seconds, ServiceName, UnixMicros, Verified } from '../brand.ts';
import { fromHex, toHex } from '../bytes.ts';
import { importVerifier, type Verifier } from '../device-key.ts';
import { deriveEpochKeys, type EpochKeys, heldEpochs } from '../epoch.ts';
import { freshness, type FreshnessRow, judge, record, windowOf } from '../freshness.ts';
import { importStaticPrivate } from '../gate-static.ts';
import {
  lengthMatches,
  macMatches,
  type Statics,
  tagMatches,
  unmaskRequest,
  type Unsealed,
  unsealUnmasked,
} from '../open.ts';
import { decide, type ServicePolicy, sourceAllowed, type UserPolicy } from '../policy.ts';
import type { ReceiptStatus } from '../receipt.ts';
import type { Refusal } from '../refusal.ts';
import { accept, refuse, type Result } from '../result.ts';
import type { Statement } from '../statement.ts';
import { verifyStatement } from '../verify.ts';
import type { ContextJson, DeviceJson, KeysJson, StatementJson } from './vector-files.ts';

/** What became of a packet. */
export interface Heard {
  readonly outcome: 'ok' | Refusal;
  /** Status of its receipt; null: nothing is sent. */
  readonly told: ReceiptStatus | null;
  readonly unsealed?: Unsealed;
  /** The row after the durable record. */
  readonly row?: FreshnessRow;
}

/** One gate with the keys of a vector file. */
export class Gate {
  readonly keys: KeysJson;
  readonly statics: Statics;
  readonly #epochs = new Map<string, EpochKeys>();
  readonly #verifiers = new Map<string, Verifier>();

  constructor(keys: KeysJson) {
    this.keys = keys;
    this.statics = {
      1: importStaticPrivate(1, fromHex(keys.x25519.secret)),
      2: importStaticPrivate(2, fromHex(keys.xwing.secret)),
    };
    for (const { id, publicKey } of [keys.device, keys.invite, keys.newDevice]) {
      const verifier = importVerifier(fromHex(publicKey));
      if (verifier !== undefined) this.#verifiers.set(id, verifier);
    }
  }

  /** The sentry's part: from bytes to a statement that is not verified yet. */
  unseal(
    packet: Uint8Array,
    context: Readonly<Pick<ContextJson, 'now' | 'pq'>> & { readonly gateKeys: readonly string[] },
  ): Result<Unsealed, Refusal> {
    if (!lengthMatches(packet)) return refuse('length');
    const keys = context.gateKeys
      .flatMap((gateKey) => heldEpochs(context.now as UnixMicros).map((epoch) => this.#keysOf(gateKey, epoch)))
      .filter((candidate) => tagMatches(packet, candidate.tag));
    if (keys.length === 0) return refuse('tag');
    const used = keys.find((candidate) => macMatches(packet, candidate.mac));
    if (used === undefined) return refuse('mac');
    const unmasked = unmaskRequest(packet, used.mask);
    if (!unmasked.ok) return unmasked;
    if (unmasked.value.suite === 1 && context.pq === 'required') return refuse('suite-refused');
    return unsealUnmasked(unmasked.value, this.statics);
  }

  /** The signature alone, over what the sentry says that it unsealed. */
  verify(unsealed: Omit<Unsealed, 'receiptKey'>): Result<Verified<Statement>, Refusal> {
    const verifier = this.#verifiers.get(unsealed.statement.device);
    if (verifier === undefined) return refuse('device-unknown');
    return verifyStatement({ ...unsealed, staticHash: this.statics[unsealed.suite].public.hash, verifier });
  }

  /** All checks. */
  hear(packet: Uint8Array, context: ContextJson): Heard {
    const now = context.now as UnixMicros;
    const silent = (outcome: Refusal): Heard => ({ outcome, told: null });
    const opened = this.unseal(packet, context);
    if (!opened.ok) return silent(opened.reason);
    const unsealed = opened.value;
    const { statement } = unsealed;

    const known = statement.kind === 'enrol' ? checkInvite(statement, context) : checkDevice(statement, context);
    if (!known.ok) return silent(known.reason);
    const service = context.services.map(policyOf).find(({ name }) => name === statement.service);
    const source = sourceAllowed(statement, addressOf(context.from), service);
    if (!source.ok) return silent(source.reason);
    const fresh = freshness(context.row ?? undefined, statement);
    if (!fresh.ok) return silent(fresh.reason);
    const verified = this.verify(unsealed);
    if (!verified.ok) return silent(verified.reason);

    const window = windowOf(statement.kind, statement.source);
    const row = record(context.row ?? undefined, statement, now, window);
    const judged = judge(statement, now, window, fromHex(context.stateId));
    if (judged !== 'ok') return { outcome: judged, told: judged, unsealed, row };
    const reason = this.#permit(statement, source.value, service, context);
    if (reason !== undefined) return { outcome: reason, told: 'not-permitted', unsealed, row };
    return { outcome: 'ok', told: 'ok', unsealed, row };
  }

  #permit(
    statement: Statement,
    source: Prefix,
    service: ServicePolicy | undefined,
    context: ContextJson,
  ): Refusal | undefined {
    if (context.device === null || (statement.kind !== 'open' && statement.kind !== 'extend')) return undefined;
    const { expires, revoked } = holder(context.device.expires, context.device.revoked);
    const user = userOf(context.device);
    const now = context.now as UnixMicros;
    const decision = decide({ claim: statement, source, service, user, device: { expires, revoked }, now });
    if (!decision.ok) return decision.reason;
    const granted = statement.service !== undefined && context.grants.includes(statement.service);
    return statement.kind === 'extend' && !granted ? 'nothing-to-extend' : undefined;
  }

  #keysOf(gateKey: string, epoch: number): EpochKeys {
    const name = `${gateKey} ${epoch}`;
    const keys = this.#epochs.get(name) ?? deriveEpochKeys(fromHex(gateKey), epoch);
    this.#epochs.set(name, keys);
    return keys;
  }
}

function checkDevice({ device }: Statement, context: ContextJson): Result<undefined, Refusal> {
  const known = context.device;
  if (known === null || known.id !== device) return refuse('device-unknown');
  if (known.revoked !== null || known.userRevoked !== null) return refuse('device-revoked');
  const over = [known.expires, known.userExpires].some((expires) => expires !== null && expires <= context.now);
  return over ? refuse('device-expired') : accept(undefined);
}

function checkInvite({ device, newDevice }: Statement, { invite, now }: ContextJson): Result<undefined, Refusal> {
  if (invite === null || invite.id !== device) return refuse('invite-unknown');
  if (invite.usedBy === null) return invite.expires <= now ? refuse('invite-expired') : accept(undefined);
  return newDevice !== undefined && toHex(newDevice) === invite.usedBy ? accept(undefined) : refuse('invite-used');
}

function policyOf(service: ContextJson['services'][number]): ServicePolicy {
  return {
    ...service,
    name: service.name as ServiceName,
    seconds: service.seconds as Seconds,
    maxSeconds: service.maxSeconds as Seconds,
  };
}

function userOf(device: DeviceJson): UserPolicy {
  return {
    services: device.services as ServiceName[],
    from: device.from?.map(prefixOf),
    maxSeconds: device.maxSeconds === null ? undefined : (device.maxSeconds as Seconds),
    ...holder(device.userExpires, device.userRevoked),
  };
}

function holder(
  expires: number | null,
  revoked: number | null,
): { expires: UnixMicros | undefined; revoked: UnixMicros | undefined } {
  const optional = (time: number | null): UnixMicros | undefined => (time === null ? undefined : (time as UnixMicros));
  return { expires: optional(expires), revoked: optional(revoked) };
}

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new TypeError(`not a prefix: ${text}`);
  return prefix;
}

function addressOf(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new TypeError(`not an address: ${text}`);
  return address;
}

/** A statement of a vector file as the product's type. */
export function statementOf(json: StatementJson): Statement {
  return {
    kind: json.kind,
    singleUse: json.singleUse,
    device: json.device as DeviceId,
    era: json.era,
    time: json.time as UnixMicros,
    stateId: fromHex(json.stateId),
    requestId: json.requestId as Statement['requestId'],
    audience: fromHex(json.audience),
    source:
      json.source.type === 'observed'
        ? json.source
        : { type: json.source.type, prefix: json.source.prefix, address: addressOf(json.source.address) },
    seconds: json.seconds,
    service: json.service === null ? undefined : (json.service as ServiceName),
    newDevice: json.newDevice === null ? undefined : fromHex(json.newDevice),
  };
}
