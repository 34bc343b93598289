/** The monitor's judgement over the published vectors: what the sentry lets through, and what becomes of it here. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  deriveEpochKeys,
  deviceIdOf,
  familyOf,
  fromHex,
  heldEpochs,
  macMatches,
  parseAddress,
  parsePrefix,
  REFUSALS,
  type DeviceId,
  type Refusal,
  type RequestId,
  type Seconds,
  type ServiceName,
  type Statics,
  type UnixMicros,
  unsealRequest,
} from '@postern/protocol';
import type { Service, User } from '../config/model.ts';
import { memoryFirewall } from '../firewall/memory.ts';
import type { RequestFrame } from '../line/codec.ts';
import { INVALID, staticsOf, VALID, type VectorContext, type VectorKeys } from '../testing/vectors.ts';
import { makeDirectory, type Directory } from './directory.ts';
import { GrantBook } from './grants.ts';
import { RequestHandler, type GateEvent } from './requests.ts';
import { openStore } from './store.ts';

/** Reasons that the sentry finds, before the monitor hears of a packet. */
const SENTRY = new Set<Refusal>(REFUSALS.slice(0, REFUSALS.indexOf('rate-line')));
/** Reasons that no packet has by itself. */
const ELSEWHERE = ['rate-line', 'frame', 'rate-device', 'record-failed', 'failed'];

const path = mkdtempSync(join(tmpdir(), 'postern-vectors-'));
const database = openStore(path, join(path, 'last-record'), (size) => new Uint8Array(size));
after(() => {
  database[Symbol.dispose]();
  rmSync(path, { recursive: true, force: true });
});

const time = (value: number | null): UnixMicros | undefined => (value === null ? undefined : (value as UnixMicros));
const ENDPOINT = { protocol: 'tcp', port: 22 } as const;

function servicesOf({ services }: VectorContext): Service[] {
  return services.map((service) => ({
    ...service,
    name: service.name as ServiceName,
    endpoints: [ENDPOINT],
    seconds: service.seconds as Seconds,
    maxSeconds: service.maxSeconds as Seconds,
    protect: true,
    keyed: false,
  }));
}

function usersOf(context: VectorContext, keys: VectorKeys, enrolled: readonly Uint8Array[]): User[] {
  const { device } = context;
  if (device === null) return [];
  const named = { name: 'device', enrolled: undefined };
  const known = {
    ...named,
    id: device.id as DeviceId,
    publicKey: fromHex(keys.device.publicKey),
    expires: time(device.expires),
    revoked: time(device.revoked),
  };
  const others = enrolled.map((publicKey) => ({
    ...named,
    id: deviceIdOf(publicKey),
    publicKey,
    expires: undefined,
    revoked: undefined,
  }));
  return [
    {
      name: 'user',
      file: 'user.toml',
      services: device.services as ServiceName[],
      from: device.from?.map((text) => parsePrefix(text) ?? assert.fail(text)),
      maxSeconds: device.maxSeconds === null ? undefined : (device.maxSeconds as Seconds),
      expires: time(device.userExpires),
      revoked: time(device.userRevoked),
      devices: [known, ...others],
    },
  ];
}

/** A monitor that knows what a vector says that the gate knows. */
class Gate {
  readonly events: GateEvent[] = [];
  readonly enrolled: Uint8Array[] = [];
  readonly firewall = memoryFirewall({ now: () => this.#context.now as UnixMicros });
  readonly #context: VectorContext;
  readonly #keys: VectorKeys;
  readonly #statics: Statics;
  readonly #handler: RequestHandler;

  constructor(context: VectorContext, keys: VectorKeys, source = parsePrefix(context.from)) {
    this.#context = context;
    this.#keys = keys;
    this.#statics = staticsOf(keys);
    const store = { ...database, stateId: fromHex(context.stateId) };
    const now = context.now as UnixMicros;
    for (const { id } of [keys.device, keys.invite]) {
      store.forget(id as DeviceId);
      if (context.row !== null) store.record(id as DeviceId, context.row, new Uint8Array(8));
    }
    store.removeInvites({ user: 'user' });
    if (context.invite !== null) this.#addInvite(context.invite);

    this.firewall.install({ knockPort: 62201, dropKnocks: true });
    let drawn = 0;
    const grants = new GrantBook(
      this.firewall,
      store,
      (size) => new Uint8Array(size).fill(++drawn),
      (what, error) => assert.fail(`${what}: ${error}`),
    );
    for (const service of context.grants) {
      assert.ok(source !== undefined);
      grants.open(
        {
          request: service as RequestId,
          device: keys.device.id as DeviceId,
          service: service as ServiceName,
          source,
          endpoints: [ENDPOINT],
          seconds: 30 as Seconds,
          singleUse: false,
        },
        now,
      );
    }
    const [current, next] = context.gateKeys.map(fromHex);
    assert.ok(current !== undefined);
    const services = servicesOf(context);
    const directory = (): Directory => makeDirectory({ services, users: usersOf(context, keys, this.enrolled) });
    this.#handler = new RequestHandler({
      store,
      grants,
      directory,
      gateKeys: () => ({ current, next, since: next === undefined ? undefined : now, again: false }),
      statics: { 1: this.#statics[1].public, 2: this.#statics[2].public },
      clock: () => now,
      enrol: (_user, publicKey) => this.enrolled.push(publicKey),
      onMoved: () => undefined,
      onEvent: (event) => this.events.push(event),
    });
  }

  /** Opens a packet as the sentry does and hands it over the line. */
  hear(packet: string): ReturnType<RequestHandler['handle']> {
    return this.#handler.handle(this.#frame(fromHex(packet)));
  }

  #frame(packet: Uint8Array): RequestFrame {
    const { now, from, gateKeys } = this.#context;
    const epochs = heldEpochs(now as UnixMicros);
    const live = gateKeys.flatMap((key, index) =>
      epochs.map((epoch) => ({ index, keys: deriveEpochKeys(fromHex(key), epoch) })),
    );
    const used = live.find(({ keys }) => macMatches(packet, keys.mac)) ?? assert.fail('no key made this packet');
    const unsealed = unsealRequest(packet, used.keys.mask, this.#statics);
    assert.ok(unsealed.ok);
    const { suite, nonce, encHash, plaintext, knockKey } = unsealed.value;
    const address = parseAddress(from) ?? assert.fail(from);
    const gateKey = used.index === 0 ? 0 : 1;
    return {
      type: 'request',
      suite,
      gateKey,
      serial: 0,
      family: familyOf(address),
      id: 1,
      address,
      port: 9,
      nonce,
      encHash,
      plaintext,
      knockKey,
    };
  }

  #addInvite({ id, expires, usedBy }: NonNullable<VectorContext['invite']>): void {
    database.addInvite({
      id: id as DeviceId,
      user: 'user',
      publicKey: fromHex(this.#keys.invite.publicKey),
      gateKey: new Uint8Array(8),
      created: 0 as UnixMicros,
      expires: expires as UnixMicros,
      usedBy: undefined,
    });
    if (usedBy !== null) database.useInvite(id as DeviceId, fromHex(usedBy));
  }
}

test('every invalid packet that the sentry lets through is refused for its reason, and told what it says', () => {
  const met = new Set<Refusal>();
  for (const { name, reason, told, packet, context } of INVALID.vectors) {
    if (SENTRY.has(reason)) continue;
    const whole = { ...INVALID.context, ...context };
    const gate = new Gate(whole, INVALID.keys);
    const before = gate.firewall.list();
    const heard = gate.hear(packet);
    const event = gate.events.find((it) => it.kind === 'told');
    if (told === null) {
      assert.deepEqual(heard, { ok: false, reason }, `${reason}: ${name}`);
      assert.deepEqual(gate.events, [], 'silent');
    } else {
      assert.ok(heard.ok, `${reason}: ${name}`);
      assert.equal(heard.value.status, told, name);
      assert.equal(heard.value.end, 0);
      assert.equal(event?.reason, reason, name);
    }
    assert.deepEqual(gate.firewall.list(), before, 'and opens nothing');
    assert.deepEqual(gate.enrolled, []);
    met.add(reason);
  }
  const missing = REFUSALS.filter((reason) => !SENTRY.has(reason) && !met.has(reason));
  assert.deepEqual(missing, ELSEWHERE);
});

test('every valid packet is accepted once, does what it says, and never again', () => {
  const service = { seconds: 30, maxSeconds: 7200, singleUse: false, observedSource: true, prefix4: 24, prefix6: 56 };
  const services = ['ssh', 'web', 'a-service-name-of-32-characters-'];
  for (const { name, suite, statement, heard, packet } of VALID.vectors) {
    const { keys } = VALID;
    const { kind, source } = statement;
    const context: VectorContext = {
      ...heard,
      pq: suite === 2 ? 'required' : 'off',
      gateKeys: [keys.gateKey, keys.nextGateKey],
      stateId: keys.stateId,
      device: {
        ...{ id: keys.device.id, expires: null, revoked: null, services, from: null },
        ...{ maxSeconds: null, userExpires: null, userRevoked: null },
      },
      services: services.map((it) => ({ name: it, ...service })),
      invite: { id: keys.invite.id, expires: heard.now + 1, usedBy: null },
      row: null,
      grants: kind === 'extend' || kind === 'close' ? services : [],
    };
    const stated = source.type === 'observed' ? heard.from : `${source.address}/${String(source.prefix)}`;
    const gate = new Gate(context, keys, parsePrefix(stated));
    const judged = gate.hear(packet);
    assert.ok(judged.ok, `${name}: ${judged.ok ? '' : judged.reason}`);
    assert.equal(judged.value.status, 'ok', name);
    const { openings } = gate.firewall.list();
    if (kind === 'open' || kind === 'extend') {
      const seconds = statement.seconds === 0 ? service.seconds : Math.min(statement.seconds, service.maxSeconds);
      const end = heard.now + 1_000_000 * (kind === 'extend' ? Math.max(seconds, 30) : seconds);
      assert.equal(judged.value.end, end, name);
      const [opening] = openings;
      assert.equal(openings.length, 1, name);
      assert.deepEqual({ ...opening?.source }, { ...parsePrefix(stated) }, name);
      assert.equal(opening?.slot !== undefined, statement.singleUse, name);
    } else assert.equal(judged.value.end, 0, name);
    if (kind === 'close')
      assert.equal(
        gate.events.some((event) => event.kind === 'closed'),
        true,
        name,
      );
    assert.equal(gate.enrolled.length, kind === 'enrol' ? 1 : 0, name);
    assert.deepEqual(gate.hear(packet), { ok: false, reason: 'stale' }, name);
  }
});
