import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  boundPorts,
  KEYED,
  keyedPorts,
  slotOf,
  type DeviceId,
  type Seconds,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { parseAddress } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import type { Door, Service, User } from '../config/model.ts';
import type { Change, Source } from '../firewall/port.ts';
import type { DoorFrame, KnockedFrame } from '../line/codec.ts';
import { makeDirectory } from './directory.ts';
import type { OneTimeSequences } from './door-table.ts';
import { sourceKey } from './grant.ts';
import { GrantBook } from './grants.ts';
import { Knocks, type KnockEvent, type KnockRefusal } from './knocks.ts';
import type { KnockFrame } from './sentry-process.ts';
import { SlotGuard } from './slot-guard.ts';

const SECOND = 1_000_000;
const DEVICE = '0'.repeat(32) as DeviceId;
const KEY = new Uint8Array(32).fill(7);
const [SSH, WEB] = ['ssh' as ServiceName, 'web' as ServiceName];
const from = (text: string): Uint8Array => parseAddress(text) ?? assert.fail(text);
const [ADA, EVE] = [from('192.0.2.1'), from('192.0.2.66')];
const HERE = from('198.51.100.1');

const service = (name: ServiceName, port: number, over: Partial<Service> = {}): Service => ({
  name,
  endpoints: [{ protocol: 'tcp', port }],
  ...{ seconds: 30 as Seconds, maxSeconds: 60 as Seconds, prefix4: 32, prefix6: 128 },
  ...{ singleUse: false, observedSource: false, protect: true, keyed: true },
  ...over,
});
const door = (name: string, over: Partial<Door> = {}): Door => ({
  name,
  steps: [{ protocol: 'tcp', port: 7000, flagsSet: 0, flagsClear: 0, minGap: 0, maxGap: 1000 }],
  ...{ oneTime: undefined, timeout: SECOND, minGap: 0, maxGap: SECOND, misses: 0, anyOrder: false },
  ...{ target: undefined, opens: { service: SSH, seconds: 20 as Seconds }, commands: undefined },
  ...over,
});
const none = { expires: undefined, revoked: undefined };
const ada: User = {
  name: 'ada',
  file: '',
  services: [SSH, WEB],
  from: [{ family: 4, address: from('192.0.2.0'), prefix: 24 }],
  maxSeconds: undefined,
  ...none,
  devices: [{ ...none, id: DEVICE, name: 'laptop', publicKey: new Uint8Array(32), enrolled: undefined }],
};

/** A gate's part for port knocking, with a firewall and a state that are lists. */
class Bench {
  time = 1_800_000_000 * SECOND;
  changes: Change[] = [];
  events: KnockEvent[] = [];
  sent: KnockFrame[] = [];
  failing = false;
  slow = false;
  readonly slots = new Map<string, number>();
  readonly knocks: Knocks;

  constructor(
    doors: readonly Door[] = [door('front')],
    services = [service(SSH, 22), service(WEB, 80, { observedSource: true })],
    oneTime?: OneTimeSequences,
  ) {
    const clock = (): UnixMicros => this.time as UnixMicros;
    const store = {
      fresh: false,
      knockedSlot: (id: DeviceId) => this.slots.get(id),
      recordKnock: (id: DeviceId, slot: number) => {
        if (this.failing) throw new Error('the disk is full');
        this.slots.set(id, slot);
      },
      lastKnockedSlot: () => 0,
      meta: () => undefined,
      setMeta: () => undefined,
    };
    const anchor = { anchor: () => 0, setAnchor: () => undefined };
    this.knocks = new Knocks({
      grants: new GrantBook(
        {
          apply: (changes) => (this.changes.push(...changes), { ok: true }),
          list: () => ({ openings: [], protections: [] }),
        },
        { putGrant: () => undefined, dropGrant: () => undefined, grants: () => [] },
        (size) => new Uint8Array(randomBytes(size)),
        () => undefined,
      ),
      guard: new SlotGuard({ store, ...anchor, uptime: clock }, clock()),
      random: (size) => new Uint8Array(randomBytes(size)),
      clock,
      onEvent: (event) => this.events.push(event),
      oneTime,
    });
    this.knocks.connect({
      setKnockPlan: () => undefined,
      sendTables: (frames) => !this.slow && this.sent.push(...frames) >= 0,
    });
    this.knocks.configure({ doors, services }, makeDirectory({ services, users: [ada] }), new Map([[DEVICE, [KEY]]]));
  }

  get serial(): number {
    const tables = this.sent.filter((frame) => frame.type === 'doors');
    return tables.at(-1)?.serial ?? assert.fail('no table was sent');
  }

  ordinal(name: ServiceName): number {
    const slot = slotOf(this.time as UnixMicros);
    const wanted = String(Uint16Array.from(keyedPorts(KEY, slot, name)).sort());
    const sets = this.sent.flatMap((frame) => (frame.type === 'sets' && frame.slot === slot ? frame.sets : []));
    return sets.find(({ numbers }) => String(numbers) === wanted)?.ordinal ?? assert.fail('its set was not sent');
  }

  door(over: Partial<DoorFrame> = {}): KnockRefusal | undefined {
    const frame = { type: 'door', family: 4, door: 0, sequence: 0, serial: this.serial } as const;
    return this.#take({ ...frame, source: ADA, destination: HERE, ...over });
  }

  keyed(
    name: ServiceName,
    over: Partial<KnockedFrame> = {},
    bound: Uint8Array | 'unbound' = ADA,
  ): KnockRefusal | undefined {
    const slot = over.slot ?? slotOf(this.time as UnixMicros);
    const set = keyedPorts(KEY, slot, name).slice(0, KEYED.needed);
    const more = bound === 'unbound' ? [] : boundPorts(KEY, slot, name, bound).slice(0, KEYED.boundNeeded);
    const numbers = Uint16Array.from(new Set([...set, ...more]));
    return this.#take({ type: 'knocked', family: 4, ordinal: this.ordinal(name), slot, source: ADA, numbers, ...over });
  }

  #take(frame: DoorFrame | KnockedFrame): KnockRefusal | undefined {
    const before = this.changes.length;
    this.knocks.take(frame);
    const last = this.events.filter(({ kind }) => kind !== 'unreadable').at(-1);
    assert.equal(last?.kind === 'refused', this.changes.length === before);
    return last?.kind === 'refused' ? last.reason : undefined;
  }
}

test('a door opens its service for its time, to who knocked, and longer when he knocks again', () => {
  const bench = new Bench();
  assert.equal(bench.door(), undefined);
  const endpoint = { protocol: 'tcp', port: 22 };
  const source = { family: 4, address: ADA, prefix: 32 } as const;
  const [{ id = '', ...first } = {}] = bench.changes as { id?: string; source?: Source }[];
  assert.equal(id.length, 16);
  assert.deepEqual(
    { ...first, source: first.source && sourceKey(first.source) },
    { kind: 'set', source: sourceKey(source), endpoint, seconds: 20, target: undefined, fresh: true, grace: 0 },
  );
  bench.time += 10 * SECOND;
  assert.equal(bench.door(), undefined);
  const [, second] = bench.changes as { id?: string }[];
  assert.equal(second?.id, id);
});

test('what a sentry says of doors is held to the table that it has', () => {
  const bench = new Bench([door('front', { target: HERE })]);
  assert.equal(bench.door({ serial: bench.serial - 1 }), 'past');
  assert.equal(bench.door({ door: 1 }), 'untrue');
  assert.equal(bench.door({ sequence: 1 }), 'untrue');
  assert.equal(bench.door({ destination: EVE }), 'untrue');
  for (const nobody of ['0.0.0.0', '224.0.0.1', '255.255.255.255'])
    assert.equal(bench.door({ source: from(nobody) }), 'untrue');
  assert.equal(bench.door(), undefined);
});

test('a door opens so often and no more, whoever knocks; another door is not touched', () => {
  const bench = new Bench([door('front'), door('back', { steps: [] })]);
  const outcomes = Array.from({ length: 40 }, (_, i) => bench.door({ source: from(`203.0.113.${String(i)}`) }));
  assert.equal(outcomes.filter((it) => it === undefined).length, 32);
  assert.equal(outcomes.at(-1), 'door-rate');
  bench.time += SECOND;
  assert.deepEqual([bench.door(), bench.door(), bench.door()], [undefined, undefined, 'door-rate']);
});

test('a keyed knock opens once in its slot, and uses up the slot for every service', () => {
  const bench = new Bench();
  assert.equal(bench.keyed(SSH), undefined);
  assert.deepEqual(
    bench.sent.filter((frame) => frame.type === 'drop').map(({ ordinal }) => ordinal),
    [bench.ordinal(SSH), bench.ordinal(WEB)],
  );
  assert.deepEqual([bench.keyed(SSH), bench.keyed(WEB)], ['slot-used', 'slot-used']);
  bench.time += 30 * SECOND;
  bench.knocks.tick();
  assert.equal(bench.keyed(WEB), undefined);
});

test('without the numbers that are bound to the address only a service that observes opens, and no slot is used up before', () => {
  const bench = new Bench();
  assert.equal(bench.keyed(SSH, {}, 'unbound'), 'source-leave');
  assert.equal(bench.keyed(SSH, { source: EVE }), 'source-leave');
  assert.equal(bench.keyed(WEB, { source: EVE }), undefined);
  assert.equal(bench.slots.get(DEVICE), slotOf(bench.time as UnixMicros));
});

test('numbers that are no knock, other slots, unknown ordinals and sources that the user may not use open nothing', () => {
  const bench = new Bench();
  const slot = slotOf(bench.time as UnixMicros);
  assert.equal(bench.keyed(SSH, { numbers: Uint16Array.from([1024, 1025]) }), 'untrue');
  assert.equal(bench.keyed(SSH, { slot: slot - 2 }), 'slot-over');
  assert.equal(bench.keyed(SSH, { slot: slot + 2 }), 'slot-over');
  assert.equal(bench.keyed(SSH, { ordinal: 99 }), 'past');
  const abroad = from('203.0.113.1');
  assert.equal(bench.keyed(SSH, { source: abroad }, abroad), 'not-permitted');
  assert.equal(bench.slots.size, 0);
  assert.equal(bench.keyed(SSH), undefined);
});

test('what cannot be recorded does not open', () => {
  const bench = new Bench();
  bench.failing = true;
  assert.equal(bench.keyed(SSH), 'record-failed');
  assert.equal(bench.changes.length, 0);
  bench.failing = false;
  assert.equal(bench.keyed(SSH), undefined);
});

test('a sentry gets the sets of the next slot before that begins, and of a device that is gone it forgets them', () => {
  const bench = new Bench();
  const slot = slotOf(bench.time as UnixMicros);
  const slots = new Set(bench.sent.flatMap((frame) => (frame.type === 'sets' ? [frame.slot] : [])));
  assert.deepEqual(slots, new Set([slot - 1, slot, slot + 1, slot + 2]));
  const ordinals = [bench.ordinal(SSH), bench.ordinal(WEB)];
  const started = bench.knocks.tables();
  assert.equal(started.flatMap((frame) => (frame.type === 'sets' ? frame.sets : [])).length, 8);
  const services = [service(SSH, 22)];
  bench.sent = [];
  bench.knocks.configure({ doors: [], services }, makeDirectory({ services, users: [] }), new Map([[DEVICE, [KEY]]]));
  assert.deepEqual(
    bench.sent.filter((frame) => frame.type === 'drop').map(({ ordinal }) => ordinal),
    ordinals,
  );
  assert.equal(bench.knocks.pairs, 0);
  assert.deepEqual(
    bench.knocks.tables().map(({ type }) => type),
    ['doors'],
  );
});

test('a sentry that reads too slowly is told of the doors again', () => {
  const bench = new Bench();
  bench.slow = true;
  bench.knocks.refreshDoors();
  const { serial } = bench;
  bench.knocks.tick();
  assert.equal(bench.serial, serial);
  bench.slow = false;
  bench.knocks.tick();
  assert.equal(bench.serial, serial + 1);
  assert.equal(bench.door(), undefined);
});

test('a one-time sequence that was struck through opens, also when the next ones cannot be read, of this door or of another', () => {
  const file = { file: '/sequences', lookAhead: 1 };
  const steps = door('front').steps ?? [];
  let broken = false;
  const oneTime: OneTimeSequences = {
    of: () => {
      if (broken) throw new PersonError('line 2 is no sequence');
      return [{ sequence: 3, steps }];
    },
    use: () => true,
  };
  const once = { steps: undefined, oneTime: file };
  const bench = new Bench([door('front', once), door('back', once)], undefined, oneTime);
  const { serial } = bench;
  broken = true;
  assert.equal(bench.door({ sequence: 3 }), undefined);
  assert.equal(bench.serial, serial, 'what was heard is heard on');
  broken = false;
  assert.equal(bench.door({ door: 1, sequence: 3 }), undefined);
  assert.equal(bench.serial, serial + 1);
});

test('who finished a sequence at the moment in which somebody used up another is let in', () => {
  const steps = door('front').steps ?? [];
  let next = 3;
  const oneTime: OneTimeSequences = { of: () => [{ sequence: next, steps }], use: () => ++next > 0 };
  const once = door('once', { steps: undefined, oneTime: { file: '/sequences', lookAhead: 1 } });
  const bench = new Bench([once, door('front')], undefined, oneTime);
  const { serial } = bench;
  assert.equal(bench.door({ sequence: 3 }), undefined);
  assert.notEqual(bench.serial, serial);
  assert.equal(bench.door({ door: 1, serial }), undefined, 'it was on its way');
  assert.equal(bench.door({ sequence: 3, serial }), 'past', 'it was used');
  assert.equal(bench.door({ sequence: 3 }), 'untrue');
});
