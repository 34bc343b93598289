import {
  decodeStatement,
  deviceIdOf,
  equal,
  freshness,
  importVerifier,
  judge,
  record,
  refuse,
  sourceAllowed,
  decide,
  accept,
  verifyStatement,
  windowOf,
  toHex,
  MICROS_PER_SECOND,
  type DeviceId,
  type FreshnessRow,
  type Prefix,
  type Refusal,
  type ReceiptStatus,
  type Result,
  type Statement,
  type StaticPublic,
  type Suite,
  type UnixMicros,
  type Verified,
  type Verifier,
} from '@postern/protocol';
import type { RequestFrame } from '../line/codec.ts';
import { barred, type Directory, type Member } from './directory.ts';
import { leadFor, sameSource, type Grant } from './grant.ts';
import type { GrantBook } from './grants.ts';
import type { GateKeys } from '../config/gate-key.ts';
import { gateKeyId } from './rotation.ts';
import type { Store, StoredInvite } from './store.ts';
import { TokenBucket } from './token-bucket.ts';
import { messageOf } from './log.ts';

/** What the sentry is told to seal into a receipt. */
export interface Verdict {
  readonly status: ReceiptStatus;
  /** End of the grant; 0 where there is none. */
  readonly end: UnixMicros;
  readonly now: UnixMicros;
  readonly era: number;
  readonly nextKey: Uint8Array | undefined;
}

/** What happened, for the log and the counters: only things that a device signed are told one by one. */
export type GateEvent =
  | { readonly kind: 'opened' | 'extended'; readonly member: Member; readonly grant: Grant; readonly retry: boolean }
  | { readonly kind: 'closed'; readonly member: Member; readonly service: string; readonly grants: number }
  | { readonly kind: 'enrolled'; readonly user: string; readonly device: DeviceId; readonly again: boolean }
  | { readonly kind: 'raced'; readonly member: Member; readonly first: Uint8Array; readonly second: Uint8Array }
  | {
      readonly kind: 'told';
      readonly member: Member;
      readonly status: ReceiptStatus;
      readonly reason: Refusal;
      readonly offset: number;
    }
  /** `opened`: the grant that there was for a moment, and was taken back. */
  | {
      readonly kind: 'record-failed';
      readonly error: string;
      readonly opened?: { readonly member: Member; readonly grant: Grant } | undefined;
    };

/** What the handler stands on; everything that changes with a reload is asked for anew. */
export interface RequestContext {
  readonly store: Pick<Store, 'stateId' | 'freshnessOf' | 'announce' | 'record' | 'inviteOf' | 'useInvite'>;
  readonly grants: GrantBook;
  readonly directory: () => Directory;
  readonly gateKeys: () => GateKeys;
  readonly statics: Readonly<Record<Suite, StaticPublic>>;
  readonly clock: () => UnixMicros;
  /** Adds a device to the user's file; durable on return. */
  readonly enrol: (user: string, publicKey: Uint8Array, now: UnixMicros) => void;
  /** A device was enrolled, perhaps again, by a request that carries this key for its keyed knocks; durable on return. */
  readonly keepKnockKey?: (publicKey: Uint8Array, key: Uint8Array) => void;
  /** A device used the newest gate key for the first time. */
  readonly onMoved: () => void;
  readonly onEvent: (event: GateEvent) => void;
}

/** A device's own rate: 64 at once, then one a second. */
const DEVICE_BURST = 64;
const DEVICE_PER_SECOND = 1;
/** How long a second address for the same observed request is an event. */
const RACE = 10 * MICROS_PER_SECOND;
/** Bound of the tables below; the oldest leaves. */
const TABLE = 4096;

interface Subject {
  readonly verifier: Verifier;
  readonly member: Member | undefined;
  readonly invite: StoredInvite | undefined;
}

/** A request that passed the checks before its signature. */
interface Judged {
  readonly source: Prefix;
  /** The address that the packet came from, as the sentry says. */
  readonly observed: Uint8Array;
  /** Of an enrol request. */
  readonly knockKey: Uint8Array | undefined;
  readonly member: Member | undefined;
  readonly invite: StoredInvite | undefined;
}

/** What the receipt will say, and the counter for what it refuses. */
interface Outcome {
  readonly status: ReceiptStatus;
  readonly end: UnixMicros;
  readonly reason?: Refusal;
  /** What is told once the record is durable. */
  readonly opened?: Extract<GateEvent, { readonly grant: Grant }>;
}

/** Handles requests that came over the line: one place, one order, the order of `docs/protocol.md`. */
export class RequestHandler {
  readonly #context: RequestContext;
  readonly #rates = new Map<DeviceId, TokenBucket>();
  readonly #observed = new Map<string, { at: UnixMicros; address: Uint8Array }>();

  constructor(context: RequestContext) {
    this.#context = context;
  }

  /** Judges one request frame. A refusal before the durable record is silent: no verdict, so no receipt. */
  handle(frame: RequestFrame): Result<Verdict, Refusal> {
    const { store, statics, clock } = this.#context;
    const now = clock();
    const gate = statics[frame.suite];
    const decoded = decodeStatement(frame.plaintext);
    if (!decoded.ok) return refuse('frame');
    const statement = decoded.value;
    if (!equal(statement.audience, gate.audience)) return refuse('frame');

    const found = this.#subject(statement, now);
    if (!found.ok) return found;
    const { verifier, member, invite } = found.value;

    const service = statement.service === undefined ? undefined : this.#context.directory().service(statement.service);
    const source = sourceAllowed(statement, frame.address, service);
    if (!source.ok) return source;
    const request: Judged = { source: source.value, observed: frame.address, knockKey: frame.knockKey, member, invite };

    const remembered = store.freshnessOf(statement.device);
    const fresh = freshness(remembered?.row, statement);
    if (!fresh.ok && !this.#raced(statement, frame.address, member, now)) return fresh;

    const verified = verifyStatement({
      suite: frame.suite,
      staticHash: gate.hash,
      encHash: frame.encHash,
      nonce: frame.nonce,
      plaintext: frame.plaintext,
      statement,
      verifier,
    });
    if (!verified.ok) return verified;
    if (!fresh.ok) {
      this.#tellRace(statement, frame.address, member);
      return fresh;
    }
    if (!this.#rate(statement.device, now)) return refuse('rate-device');

    const window = windowOf(statement.kind, statement.source);
    const row = record(remembered?.row, statement, now, window);
    const gateKeys = this.#context.gateKeys();
    const usedKey = gateKeyId(frame.gateKey === 1 && gateKeys.next !== undefined ? gateKeys.next : gateKeys.current);
    // A grant does not wait for the disk; its receipt does (decision 0014). What opens nothing may as well.
    const announced = statement.kind === 'open' && store.announce(statement.device, row, usedKey);
    if (!announced && !this.#record(statement.device, row, usedKey)) return refuse('record-failed');
    const outcome = this.#act(verified.value, request, window, now);
    const made = outcome.opened?.retry === false ? outcome.opened : undefined;
    if (announced && !this.#record(statement.device, row, usedKey, made)) {
      if (made !== undefined) this.#context.grants.takeBack(made.grant, now);
      return refuse('record-failed');
    }
    if (frame.gateKey === 1 && (remembered === undefined || !equal(remembered.gateKey, usedKey)))
      this.#context.onMoved();
    if (outcome.opened !== undefined) this.#context.onEvent(outcome.opened);
    if (member !== undefined && outcome.reason !== undefined) {
      const offset = statement.time - now;
      this.#context.onEvent({ kind: 'told', member, status: outcome.status, reason: outcome.reason, offset });
    }
    return accept({
      status: outcome.status,
      end: outcome.end,
      now,
      era: row.era,
      nextKey: frame.gateKey === 1 ? undefined : gateKeys.next,
    });
  }

  /** Forgets rates of devices that rest; called now and then. */
  prune(now: UnixMicros): void {
    for (const [device, bucket] of this.#rates) if (bucket.idle(now)) this.#rates.delete(device);
  }

  #subject(statement: Statement, now: UnixMicros): Result<Subject, Refusal> {
    if (statement.kind === 'enrol') {
      const invite = this.#context.store.inviteOf(statement.device);
      if (invite === undefined) return refuse('invite-unknown');
      if (invite.usedBy !== undefined) {
        const same = statement.newDevice !== undefined && equal(invite.usedBy, statement.newDevice);
        if (!same) return refuse('invite-used');
        // Whoever was revoked since does not learn the next gate key by asking again.
        const enrolled = this.#context.directory().member(deviceIdOf(invite.usedBy));
        if (enrolled === undefined) return refuse('device-unknown');
        const bar = barred(enrolled, now);
        if (bar !== undefined) return refuse(bar);
      } else if (invite.expires <= now) return refuse('invite-expired');
      const verifier = importVerifier(invite.publicKey);
      return verifier === undefined ? refuse('invite-unknown') : accept({ verifier, member: undefined, invite });
    }
    const member = this.#context.directory().member(statement.device);
    if (member === undefined) return refuse('device-unknown');
    const bar = barred(member, now);
    if (bar !== undefined) return refuse(bar);
    const { verifier } = member;
    return verifier === undefined ? refuse('device-unknown') : accept({ verifier, member, invite: undefined });
  }

  /** Makes the record; false when it could not be made, which is told. */
  #record(
    device: DeviceId,
    row: FreshnessRow,
    gateKey: Uint8Array,
    opened?: { readonly member: Member; readonly grant: Grant },
  ): boolean {
    try {
      this.#context.store.record(device, row, gateKey);
      return true;
    } catch (error) {
      this.#context.onEvent({ kind: 'record-failed', error: messageOf(error), opened });
      return false;
    }
  }

  #act(statement: Verified<Statement>, request: Judged, window: number, now: UnixMicros): Outcome {
    const none = 0 as UnixMicros;
    const { member, invite } = request;
    const judged = judge(statement, now, window, this.#context.store.stateId);
    if (judged !== 'ok') return { status: judged, end: none, reason: judged };
    if (invite !== undefined)
      return this.#enrol(statement, invite, request.knockKey, now)
        ? { status: 'ok', end: none }
        : { status: 'failed', end: none };
    if (member === undefined) return { status: 'failed', end: none, reason: 'failed' };
    switch (statement.kind) {
      case 'whoami':
        return { status: 'ok', end: none };
      case 'close': {
        const closed = this.#context.grants.close(statement.device, statement.service, now);
        this.#context.onEvent({ kind: 'closed', member, service: statement.service ?? '', grants: closed });
        return { status: 'ok', end: none };
      }
      case 'enrol':
        return { status: 'failed', end: none, reason: 'failed' };
      case 'open':
      case 'extend':
        return this.#grant(statement, request, member, now);
    }
  }

  #grant(statement: Verified<Statement>, request: Judged, member: Member, now: UnixMicros): Outcome {
    const none = 0 as UnixMicros;
    const { grants } = this.#context;
    const { user, device } = member;
    const service = statement.service === undefined ? undefined : this.#context.directory().service(statement.service);
    const decision = decide({ claim: statement, source: request.source, service, user, device, now });
    if (!decision.ok || service === undefined) return { status: 'not-permitted', end: none, reason: 'not-permitted' };
    const lead = leadFor(service, decision.value.source);
    if (!lead.ok) return { status: 'not-permitted', end: none, reason: 'not-permitted' };
    if (statement.source.type === 'observed') this.#remember(statement, request.observed, now);

    const before = grants.ofRequest(statement.device, statement.requestId);
    if (before !== undefined && statement.kind === 'open') {
      // One request id is one grant: with another service or source it is another request, and the device did not make one.
      const same = before.service === service.name && sameSource(before.source, decision.value.source);
      if (!same) return { status: 'not-permitted', end: none, reason: 'not-permitted' };
      return { status: 'ok', end: before.ends, opened: { kind: 'opened', member, grant: before, retry: true } };
    }
    const { seconds, singleUse, source } = decision.value;
    const wanted = {
      request: statement.requestId,
      // That of the directory, which is there anyway; not a copy for each grant.
      device: device.id,
      service: service.name,
      source,
      endpoints: service.endpoints,
      seconds,
      singleUse,
      target: lead.value,
    };
    const granted = statement.kind === 'open' ? grants.open(wanted, now) : grants.extend(wanted, now);
    if (!granted.ok) {
      if (granted.reason === 'nothing-to-extend')
        return { status: 'not-permitted', end: none, reason: 'nothing-to-extend' };
      return { status: 'failed', end: none, reason: 'failed' };
    }
    const kind = statement.kind === 'open' ? 'opened' : 'extended';
    return { status: 'ok', end: granted.value.ends, opened: { kind, member, grant: granted.value, retry: false } };
  }

  #enrol(
    statement: Verified<Statement>,
    invite: StoredInvite,
    knockKey: Uint8Array | undefined,
    now: UnixMicros,
  ): boolean {
    const publicKey = statement.newDevice;
    if (publicKey === undefined || importVerifier(publicKey) === undefined) return false;
    const device = deviceIdOf(publicKey);
    const again = invite.usedBy !== undefined;
    if (!again) {
      // One public key is one device of one user. Known already to this user: we died between writing the file and this row.
      const known = this.#context.directory().member(device);
      if (known !== undefined && known.user.name !== invite.user) return false;
      try {
        if (known === undefined) this.#context.enrol(invite.user, publicKey, now);
        this.#context.store.useInvite(invite.id, publicKey);
      } catch (error) {
        this.#context.onEvent({
          kind: 'record-failed',
          error: messageOf(error),
        });
        return false;
      }
    }
    if (knockKey !== undefined) this.#context.keepKnockKey?.(publicKey, knockKey);
    this.#context.onEvent({ kind: 'enrolled', user: invite.user, device, again });
    return true;
  }

  #rate(device: DeviceId, now: UnixMicros): boolean {
    let bucket = this.#rates.get(device);
    if (bucket === undefined) {
      bucket = new TokenBucket(DEVICE_PER_SECOND, DEVICE_BURST, now);
      this.#rates.set(device, bucket);
    }
    return bucket.take(now);
  }

  #remember(statement: Statement, address: Uint8Array, now: UnixMicros): void {
    if (this.#observed.size >= TABLE) {
      const oldest = this.#observed.keys().next().value;
      if (oldest !== undefined) this.#observed.delete(oldest);
    }
    this.#observed.set(statement.device + statement.requestId, { at: now, address: address.slice() });
  }

  /** Whether this is a copy, from a second address and in time, of an observed-source request that opened. */
  #raced(statement: Statement, address: Uint8Array, member: Member | undefined, now: UnixMicros): boolean {
    if (member === undefined || statement.source.type !== 'observed') return false;
    const first = this.#observed.get(statement.device + statement.requestId);
    return first !== undefined && now - first.at <= RACE && toHex(first.address) !== toHex(address);
  }

  /** Tells of a race once. */
  #tellRace(statement: Statement, second: Uint8Array, member: Member | undefined): void {
    const key = statement.device + statement.requestId;
    const first = this.#observed.get(key);
    if (member === undefined || first === undefined) return;
    this.#observed.delete(key);
    this.#context.onEvent({ kind: 'raced', member, first: first.address, second });
  }
}
