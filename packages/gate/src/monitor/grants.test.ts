import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  MICROS_PER_SECOND,
  formatAddress,
  fromHex,
  type DeviceId,
  type RequestId,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { usedMemory } from '../../../protocol/src/testdata/used-memory.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import type { Change } from '../firewall/port.ts';
import { sourceKey, type Grant } from './grant.ts';
import { GrantBook } from './grants.ts';
import { GrantBench, memoryRecords, refusing, type Asked } from './grants.fixture.ts';
import { finish } from './leisure.ts';

const HOME = '192.0.2.7';
const LAPTOP = 'laptop' as DeviceId;
const PHONE = 'phone' as DeviceId;
const SSH = 'ssh' as ServiceName;

function open(bench: GrantBench, asked: Asked = {}): Grant {
  const opened = bench.book.open(bench.wanted(asked), bench.now);
  assert.ok(opened.ok, opened.ok ? '' : opened.reason);
  return opened.value;
}

function extend(bench: GrantBench, asked: Asked): string {
  const extended = bench.book.extend(bench.wanted(asked), bench.now);
  return extended.ok ? 'extended' : extended.reason;
}

/** One of many requests of many devices, each from its own address: none of them has too many. */
function many(made: number): { readonly device: string; readonly request: string; readonly from: string } {
  const from = `10.0.${String((made >> 8) & 255)}.${String(made & 255)}`;
  return { device: `device ${String(made % 500)}`, request: String(made), from };
}

const NOTHING = { timed: false, armed: 0 };
const TIMED = { timed: true, armed: 0 };

test('two devices behind one address share an element, which lasts as long as the longer of their grants', () => {
  for (const [first, second] of [[20, 60] as const, [60, 20] as const]) {
    const bench = new GrantBench();
    open(bench, { seconds: first });
    open(bench, { device: PHONE, seconds: second });
    assert.equal(bench.firewall.list().openings.length, 1);
    bench.pass(59);
    assert.deepEqual(bench.holds(HOME, 'tcp/22'), TIMED);
    bench.pass(1);
    assert.deepEqual(bench.holds(HOME, 'tcp/22'), NOTHING);
  }
});

test('of two devices behind one address one closes: the other keeps what it has left, and no more', () => {
  const bench = new GrantBench();
  open(bench, { seconds: 60 });
  const phone = open(bench, { device: PHONE, seconds: 20 });
  bench.pass(5);
  assert.equal(bench.book.close(LAPTOP, SSH, bench.now), 1);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), TIMED);
  assert.deepEqual(
    bench.firewall.list().openings.map(({ id, remaining }) => [id, remaining]),
    [[phone.id, 15_000]],
  );
  assert.equal(bench.book.close(PHONE, SSH, bench.now), 1);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), NOTHING);
  assert.equal(bench.book.close(PHONE, SSH, bench.now), 0, 'nothing is left to be closed');
});

test('services that share a port: closing one leaves the port to the other', () => {
  const bench = new GrantBench();
  open(bench, { service: 'both', seconds: 60 });
  open(bench, { service: 'ssh', seconds: 20 });
  bench.book.close(LAPTOP, 'both' as ServiceName, bench.now);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), TIMED);
  assert.deepEqual(bench.holds(HOME, 'tcp/80'), NOTHING);
  bench.pass(20);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), NOTHING);
});

test('closing without a service closes all of them, and only of that device', () => {
  const bench = new GrantBench();
  open(bench, { service: 'ssh', once: true });
  open(bench, { service: 'web' });
  open(bench, { service: 'dns', device: PHONE });
  assert.equal(bench.book.close(LAPTOP, undefined, bench.now), 2);
  assert.deepEqual(
    bench.firewall.list().openings.map(({ endpoint }) => endpoint.port),
    [53],
  );
});

test('a service of several ports is opened wholly or not at all', () => {
  const bench = new GrantBench();
  refusing(bench, (changes) =>
    changes.some((change) => change.endpoint.port === 443) ? { ok: false, reason: 'full' } : undefined,
  );
  for (const once of [false, true]) {
    const opened = bench.book.open(bench.wanted({ service: 'web', once }), bench.now);
    assert.deepEqual(opened, { ok: false, reason: 'full' });
    assert.deepEqual(bench.firewall.list().openings, []);
    assert.deepEqual(bench.book.live(bench.now), []);
  }
  open(bench, { service: 'both' });
  assert.equal(bench.firewall.list().openings.length, 2);
});

test('single connections take the lowest place that is free, and one that was used is free again', () => {
  const bench = new GrantBench();
  assert.deepEqual(
    [0, 1, 2].map(() => open(bench, { once: true }).slot),
    [0, 1, 2],
  );
  assert.ok(bench.connects(HOME, 'tcp/22'));
  // Nobody tells us of the connection: the places that are known to be free come first.
  assert.equal(open(bench, { once: true }).slot, 3);
  for (let slot = 4; slot < 24; slot++) assert.equal(open(bench, { once: true }).slot, slot);
  assert.equal(open(bench, { once: true }).slot, 0);
  assert.deepEqual(bench.book.open(bench.wanted({ once: true }), bench.now), { ok: false, reason: 'full' });
  for (let slot = 24; slot < 32; slot++) assert.equal(open(bench, { once: true, device: PHONE }).slot, slot);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), { timed: false, armed: 32 });
  const phone = bench.wanted({ once: true, device: PHONE });
  assert.deepEqual(bench.book.open(phone, bench.now), { ok: false, reason: 'full' });
  assert.equal(open(bench, { once: true, from: '192.0.2.8' }).slot, 0, 'another source has places of its own');
  assert.equal(bench.book.live(bench.now).length, 33, 'a grant whose place was taken over is over');
  bench.pass(30);
  assert.equal(open(bench, { once: true }).slot, 0, 'places whose time ran out are free');
});

test('each port of a source has places of its own, and none is taken over by a grant for another port', () => {
  const bench = new GrantBench();
  const first = Array.from({ length: 24 }, () => open(bench, { once: true }));
  assert.equal(open(bench, { service: 'dns', once: true }).slot, 0);
  assert.equal(bench.book.close(LAPTOP, SSH, bench.now), first.length);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), NOTHING);
  assert.deepEqual(bench.holds(HOME, 'udp/53'), { timed: false, armed: 1 });
});

test('a single-use grant of two ports admits one connection at each, in any order', () => {
  const bench = new GrantBench();
  open(bench, { service: 'both', once: true });
  assert.ok(bench.connects(HOME, 'tcp/80'));
  assert.ok(!bench.connects(HOME, 'tcp/80'));
  // Its place is half used; a grant that needs the other half takes the next.
  assert.equal(open(bench, { service: 'ssh', once: true }).slot, 1);
  assert.equal(extend(bench, { service: 'both', seconds: 50, once: true }), 'extended');
  bench.pass(40);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), { timed: false, armed: 1 }, 'what was left of it was extended');
  assert.ok(bench.connects(HOME, 'tcp/22'));
  assert.ok(!bench.connects(HOME, 'tcp/22'));
  assert.equal(extend(bench, { service: 'both', seconds: 50, once: true }), 'nothing-to-extend');
});

test('one grant is ended by its id, once', () => {
  const bench = new GrantBench();
  const [timed, single] = [open(bench), open(bench, { once: true })];
  assert.equal(bench.book.end(single.id, bench.now), true);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), TIMED);
  assert.equal(bench.book.end(timed.id, bench.now), true);
  assert.deepEqual(bench.firewall.list().openings, []);
  for (const id of [timed.id, single.id, 'ffffffffffffffff']) assert.equal(bench.book.end(id, bench.now), false);
});

test('extending lengthens a grant from now on, never shortens it, and is for its own device, service and source', () => {
  const bench = new GrantBench();
  open(bench);
  bench.pass(10);
  for (const other of [{ device: PHONE }, { service: 'web' }, { from: '192.0.2.8' }] as const) {
    assert.equal(extend(bench, other), 'nothing-to-extend');
  }
  assert.equal(extend(bench, { seconds: 1 }), 'extended');
  bench.pass(19);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), TIMED, 'it was not shortened');
  assert.equal(extend(bench, { seconds: 30 }), 'extended');
  bench.pass(29);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), TIMED);
  bench.pass(1);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), NOTHING);
  assert.equal(extend(bench, { seconds: 30 }), 'nothing-to-extend');
});

test('a single-use grant is extended as long as it was not used', () => {
  const bench = new GrantBench();
  const first = open(bench, { once: true });
  bench.pass(20);
  assert.equal(extend(bench, { seconds: 60 }), 'extended');
  bench.pass(59);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), { timed: false, armed: 1 });
  assert.ok(bench.connects(HOME, 'tcp/22'));
  // Whether the request asks for more or for less than it had: there is nothing any more.
  assert.equal(extend(bench, { seconds: 60 }), 'nothing-to-extend');
  open(bench, { once: true, seconds: 60 });
  assert.ok(bench.connects(HOME, 'tcp/22'));
  assert.equal(extend(bench, { seconds: 1 }), 'nothing-to-extend');
  assert.equal(bench.book.ofRequest(LAPTOP, first.request)?.id, first.id, 'a late retry of the first still finds it');
  open(bench, { once: true });
  assert.ok(bench.connects(HOME, 'tcp/22'));
  open(bench, { once: true });
  assert.equal(extend(bench, { seconds: 60 }), 'extended', 'one that was used does not hide one that was not');
});

test('after a restart grants are whose they were, and shared elements end as the grants do', () => {
  const bench = new GrantBench();
  const laptop = open(bench, { seconds: 60 });
  const phone = open(bench, { device: PHONE, seconds: 20 });
  const single = open(bench, { service: 'both', once: true });
  bench.pass(5);
  assert.deepEqual(bench.restart(), { adopted: 3, unknown: 0 });
  const ends = (id: string): number =>
    (bench.book.live(bench.now).find((grant) => grant.id === id)?.ends ?? 0) - bench.now;
  assert.equal(ends(laptop.id), 55 * MICROS_PER_SECOND);
  assert.equal(ends(phone.id), 15 * MICROS_PER_SECOND);
  assert.equal(bench.book.close(LAPTOP, undefined, bench.now), 2, 'the single-use one is known, too');
  assert.equal(bench.book.ofRequest(LAPTOP, single.request)?.id, single.id);
  bench.pass(14);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), TIMED);
  bench.pass(1);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), NOTHING);
});

test('what the kernel holds and no record explains is held, shown and ended like any other', () => {
  const bench = new GrantBench();
  const { source, endpoints } = bench.wanted({ from: '192.0.2.0/24', service: 'web' });
  for (const endpoint of endpoints) {
    bench.firewall.apply([
      { kind: 'set', source, endpoint, seconds: bench.wanted({}).seconds, id: 'aaaaaaaaaaaaaaaa' },
    ]);
  }
  assert.deepEqual(bench.restart(), { adopted: 1, unknown: 1 });
  const [grant] = bench.book.live(bench.now);
  assert.deepEqual(grant?.endpoints, endpoints);
  assert.equal(grant.device, undefined);
  assert.equal(bench.book.end(grant.id, bench.now), true);
  assert.deepEqual(bench.firewall.list().openings, []);
});

test('records of what the kernel does not hold are over: after a reboot, or when the connection came while we were away', () => {
  const bench = new GrantBench();
  const single = open(bench, { once: true });
  const timed = open(bench, { service: 'web' });
  bench.pass(1);
  assert.ok(bench.connects(HOME, 'tcp/22'));
  bench.firewall.remove();
  bench.install();
  assert.deepEqual(bench.restart(), { adopted: 0, unknown: 0 });
  assert.deepEqual(bench.book.live(bench.now), []);
  for (const { request, id } of [single, timed]) assert.equal(bench.book.ofRequest(LAPTOP, request)?.id, id);
  bench.pass(500);
  bench.restart();
  assert.equal(bench.records.size, 0, 'and are forgotten in time');
});

test('rules that somebody flushed: timed grants are there again for the time that they had left, single connections are not', () => {
  const bench = new GrantBench();
  open(bench, { seconds: 60 });
  open(bench, { device: PHONE, seconds: 20 });
  const single = open(bench, { service: 'dns', once: true });
  assert.ok(bench.connects(HOME, 'udp/53'));
  bench.pass(5);
  bench.firewall.remove();
  bench.install();
  assert.equal(finish(bench.book.renew(() => bench.now)), 2);
  const openings = bench.firewall.list().openings.map(({ endpoint, remaining }) => [endpoint.port, remaining / 1000]);
  assert.deepEqual(openings, [[22, 55]]);
  assert.equal(bench.book.ofRequest(LAPTOP, single.request)?.id, single.id, 'and its retry opens nothing');
});

test('while what was lost is given back, requests go on: what is armed meanwhile stays, what is closed meanwhile is not given back', () => {
  const bench = new GrantBench();
  const single = open(bench, { service: 'dns', once: true });
  open(bench, { seconds: 60 });
  const closed = open(bench, { service: 'web', from: '192.0.2.8' });
  bench.firewall.remove();
  bench.install();
  const renewal = bench.book.renew(() => bench.now);
  const armed = open(bench, { service: 'dns', from: '192.0.2.9', once: true });
  renewal.next();
  assert.equal(bench.book.get(single.id, bench.now), undefined);
  bench.book.end(closed.id, bench.now);
  assert.equal(extend(bench, { seconds: 90 }), 'extended');
  bench.pass(5);
  assert.equal(finish(renewal), 1);
  const held = bench.firewall.list().openings.map(({ endpoint, remaining }) => [endpoint.port, remaining / 1000]);
  assert.deepEqual(held, [
    [22, 85],
    [53, 25],
  ]);
  assert.equal(bench.book.get(armed.id, bench.now)?.id, armed.id);
});

test('after the clock was set the records follow in steps, and a restart finds what the book said', () => {
  for (const by of [-3600, 3600]) {
    const bench = new GrantBench();
    const opened = Array.from({ length: 20 }, (_, index) => open(bench, { from: `192.0.2.${String(index)}` }));
    const [ended] = opened;
    assert.ok(ended);
    bench.book.end(ended.id, bench.now);
    const put = bench.records.putGrant.bind(bench.records);
    let written = 0;
    bench.records.putGrant = (record) => {
      written++;
      put(record);
    };
    bench.set(by);
    const ends = bench.book.live(bench.now).map((grant) => [grant.id, grant.ends - bench.now]);
    assert.equal(ends.length, 19);
    assert.equal(written, 0, 'whoever asks first does not wait for all records');
    assert.ok(bench.book.behind);
    const records = bench.book.record();
    for (let step = 1; step <= 20; step++) {
      records.next();
      assert.equal(written, step);
    }
    finish(records);
    assert.equal(bench.book.behind, false);
    bench.restart();
    assert.deepEqual(
      bench.book.live(bench.now).map((grant) => [grant.id, grant.ends - bench.now]),
      ends,
    );
  }
});

test('rules that are lost once more while grants are given back: it begins at the beginning', () => {
  const bench = new GrantBench();
  for (const from of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) open(bench, { from });
  bench.firewall.remove();
  bench.install();
  const first = bench.book.renew(() => bench.now);
  first.next();
  bench.firewall.remove();
  bench.install();
  const second = bench.book.renew(() => bench.now);
  assert.equal(finish(first), 1);
  assert.equal(finish(second), 3);
  assert.equal(bench.firewall.list().openings.length, 3);
});

test('many grants that were over long ago are forgotten a few at a time, when others are made', () => {
  const bench = new GrantBench();
  for (let index = 0; index < 200; index++)
    open(bench, { device: `d${String(index)}`, from: `10.0.0.${String(index)}` });
  bench.pass(400);
  let before = bench.records.size;
  for (let index = 0; index < 100; index++) {
    open(bench, { from: `10.0.1.${String(index)}` });
    assert.ok(before + 1 - bench.records.size <= 4);
    before = bench.records.size;
  }
  assert.equal(before, 100);
});

test('a retry finds the grant of its request, also after it was used or closed, and after a restart', () => {
  const bench = new GrantBench();
  const single = open(bench, { once: true, request: 'one' });
  const closed = open(bench, { service: 'web', request: 'two' });
  assert.ok(bench.connects(HOME, 'tcp/22'));
  bench.book.close(LAPTOP, 'web' as ServiceName, bench.now);
  for (let second = 0; second < 200; second += 40) {
    assert.equal(bench.book.ofRequest(LAPTOP, 'one' as RequestId)?.id, single.id);
    assert.equal(bench.book.ofRequest(LAPTOP, 'two' as RequestId)?.id, closed.id);
    assert.equal(bench.book.ofRequest(PHONE, 'one' as RequestId), undefined, 'ids of requests are a device’s own');
    bench.pass(40);
    bench.restart();
  }
});

test('the book and its records hold what was granted in the last minutes, however long it runs', () => {
  const bench = new GrantBench();
  let most = 0;
  for (let second = 0; second < 3600; second += 5) {
    open(bench, { from: `192.0.2.${String(second % 200)}`, once: second % 2 === 0 });
    bench.pass(5);
    most = Math.max(most, bench.records.size);
  }
  // a grant of 30 s, remembered for 300, one every 5 s
  assert.ok(most <= (30 + 300) / 5 + 2, `${String(most)} records`);
});

test('the book and its records hold what is live and 4,096 that ended, however fast devices knock; the last ones are those that are remembered', () => {
  const bench = new GrantBench();
  const [COUNT, LIVE, ENDED] = [20_000, 200, 4096];
  let most = 0;
  for (let made = 0; made < COUNT; made++) {
    open(bench, { seconds: 1, ...many(made) });
    bench.pass(1 / LIVE);
    most = Math.max(most, bench.records.size);
  }
  assert.ok(most > ENDED && most <= ENDED + LIVE + 1, `${String(most)} records`);
  const known = (made: number): boolean => {
    const { device, request } = many(made);
    return bench.book.ofRequest(device as DeviceId, request as RequestId) !== undefined;
  };
  for (let made = COUNT - ENDED; made < COUNT; made++) assert.ok(known(made), `grant ${String(made)}`);
  for (let made = 0; made < COUNT - ENDED - LIVE - 1; made++) assert.ok(!known(made), `grant ${String(made)}`);
  assert.equal(bench.book.live(bench.now).length, LIVE - 1);
});

test('a long grant stays, with all that is known of it, whatever ends meanwhile', () => {
  const bench = new GrantBench();
  const long = open(bench, { seconds: 3600, request: 'long', service: 'web', device: PHONE });
  for (let made = 0; made < 20_000; made++) {
    open(bench, { seconds: 1, ...many(made) });
    bench.pass(1 / 100);
  }
  assert.equal(bench.book.ofRequest(PHONE, 'long' as RequestId)?.id, long.id);
  assert.equal(bench.book.close(PHONE, 'web' as ServiceName, bench.now), 1);
});

test('more grants that are live than are remembered of those that ended: none is forgotten', () => {
  const bench = new GrantBench();
  // A firewall that holds nothing: the twin would copy all of it each time.
  const firewall = { apply: () => ({ ok: true }) as const, list: () => bench.firewall.list() };
  let ids = 0;
  const random = (size: number): Uint8Array => fromHex((ids++).toString(16).padStart(2 * size, '0'));
  const book = new GrantBook(firewall, memoryRecords(), random, (what, error) => assert.fail(`${what}: ${error}`));
  for (let made = 0; made < 20_000; made++)
    assert.ok(book.open(bench.wanted({ seconds: 3600, ...many(made) }), bench.now).ok);
  assert.equal(book.live(bench.now).length, 20_000);
});

const place = ({ source, endpoint }: Pick<Change, 'source' | 'endpoint'>): string =>
  `${sourceKey(source)} ${formatEndpoint(endpoint)}`;

/** A kernel that keeps what it was told, and is told of nothing to be held that it ended; the twin would copy all of it each time. */
function brisk(bench: GrantBench): Change[] {
  const told: Change[] = [];
  const held = new Map<string, number>();
  bench.firewall.apply = (changes) => {
    for (const change of changes) {
      const at = place(change);
      told.push(change);
      if (change.kind === 'set') {
        const ends = bench.uptime + change.seconds * MICROS_PER_SECOND + (change.grace ?? 0) * 1000;
        assert.ok(change.fresh !== true || (held.get(at) ?? 0) <= bench.uptime, `${at} is taken for new, and held`);
        held.set(at, ends);
      }
      if (change.kind !== 'unset') continue;
      assert.ok(change.held !== true || (held.get(at) ?? 0) > bench.uptime, `${at} is taken for held`);
      held.delete(at);
    }
    return { ok: true };
  };
  return told;
}

/** Opens, 1,000 a second, grants of 2 s, and says what the kernel was told. */
function rush(
  bench: GrantBench,
  grants: number,
  each?: (grant: Grant, made: number) => void,
  asked: (made: number) => Asked = () => ({}),
): Change[] {
  const told = brisk(bench);
  for (let made = 0; made < grants; made++) {
    const grant = open(bench, { ...many(made), seconds: 2, service: 'web', ...asked(made) });
    each?.(grant, made);
    bench.pass(1 / 1000);
  }
  return told;
}

test('where a thousand grants stand, what ended is taken out of the kernel by the next ones, and until then held a little longer', () => {
  const bench = new GrantBench();
  const told = rush(bench, 6000);
  const set = told.filter((change) => change.kind === 'set');
  const unset = told.filter((change) => change.kind === 'unset');
  const graced = set.filter(({ grace = 0 }) => grace > 0);
  assert.equal(graced.length, 2 * (6000 - 1024), 'all but the first, at both of their ports');
  assert.ok(unset.every(({ held }) => held === true));
  // Those that ended before the last one was made, in the order in which they ended.
  assert.deepEqual(unset.map(place), graced.map(place).slice(0, 2 * (4000 - 1024)));
});

test('what is not in the kernel any more, or is shared, is not taken out', () => {
  const bench = new GrantBench();
  const [closed, shared] = [new Set<string>(), new Set<string>()];
  const told = rush(bench, 4500, ({ id, source }, made) => {
    if (made % 3 === 0) {
      assert.equal(bench.book.end(id, bench.now), true);
      closed.add(sourceKey(source));
    } else if (made % 3 === 1) {
      open(bench, { device: PHONE, from: many(made).from, seconds: 60, service: 'web' });
      shared.add(sourceKey(source));
    }
  });
  const out = told.flatMap((change) =>
    change.kind === 'unset' && change.held === true ? sourceKey(change.source) : [],
  );
  assert.ok(out.length > 500, String(out.length));
  assert.ok(!out.some((source) => closed.has(source) || shared.has(source)));
});

test('what the kernel ended meanwhile, as the daemon stood still, is not taken out', () => {
  const bench = new GrantBench();
  const told = rush(bench, 1500, (_, made) => {
    // All that stand end at least a quarter of a second before the next one is made.
    if (made === 1400) bench.pass(3);
  });
  assert.equal(told.filter(({ kind }) => kind === 'unset').length, 0);
});

test('where every other grant is for a single connection, the rest are taken out all the same', () => {
  const bench = new GrantBench();
  const told = rush(bench, 6000, undefined, (made) => ({ once: made % 2 === 1 }));
  const graced = told.filter((change) => change.kind === 'set' && (change.grace ?? 0) > 0);
  const unset = told.filter(({ kind }) => kind === 'unset');
  assert.ok(graced.length > 4000, String(graced.length));
  const due = graced.length - 2 * 1000;
  assert.ok(Math.abs(unset.length - due) <= 8, `${String(unset.length)} of ${String(due)}`);
});

test('what was to be taken out with a grant that the kernel refused goes out with the next', () => {
  const bench = new GrantBench();
  let refused = 0;
  const told = rush(bench, 6000, (_, made) => {
    if (made !== 4000) return;
    const whole = bench.firewall.apply.bind(bench.firewall);
    bench.firewall.apply = (changes) => {
      if (refused++ === 0) return { ok: false, reason: 'full' };
      bench.firewall.apply = whole;
      return whole(changes);
    };
    assert.deepEqual(bench.book.open(bench.wanted({ from: '192.0.2.8' }), bench.now), { ok: false, reason: 'full' });
  });
  assert.equal(refused, 2);
  assert.equal(told.filter(({ kind }) => kind === 'unset').length, 2 * (4000 - 1024));
});

test('a clock that is set by less than a second takes nothing out that the kernel ended', () => {
  for (const by of [-0.9, -0.5, -0.1, 0.1, 0.5, 0.9]) {
    const bench = new GrantBench();
    const told = rush(bench, 9000, (_, made) => {
      if (made === 4000) bench.set(by);
    });
    assert.ok(told.filter(({ kind }) => kind === 'unset').length > 5000, String(by));
  }
});

test('long grants that were closed leave nothing behind, however many', () => {
  const bench = new GrantBench();
  bench.firewall.apply = () => ({ ok: true });
  const come = (from: number, until: number): void => {
    for (let made = from; made < until; made++) {
      const { id } = open(bench, { ...many(made), seconds: 86_400 });
      bench.book.end(id, bench.now);
    }
  };
  come(0, 20_000);
  const before = usedMemory();
  come(20_000, 80_000);
  const more = usedMemory() - before;
  assert.ok(more < 1_000_000, `${String(more)} bytes`);
});

test('many long grants that were closed make no crowd', () => {
  const bench = new GrantBench();
  const told = brisk(bench);
  for (let made = 0; made < 5000; made++) {
    const { id } = open(bench, { ...many(made), seconds: 86_400 });
    assert.equal(bench.book.end(id, bench.now), true);
  }
  assert.ok(told.every((change) => change.kind !== 'set' || change.grace === 0));
});

test('of two ports that ended, the one that somebody else has still is left', () => {
  const bench = crowded();
  const told = brisk(bench);
  open(bench, { seconds: 10, service: 'both' });
  open(bench, { seconds: 60, service: 'web', device: PHONE });
  bench.pass(10.1);
  open(bench, { from: '192.0.2.8' });
  const out = told.filter(({ kind }) => kind === 'unset').map(({ endpoint: it }) => formatEndpoint(it));
  assert.deepEqual(out, ['tcp/22']);
});

test('what the daemon before a restart gave some milliseconds more is taken out by the one after it', () => {
  const bench = crowded();
  const brief = open(bench, { seconds: 10 });
  bench.pass(5);
  assert.equal(bench.restart().adopted, 1101);
  assert.ok(bench.book.get(brief.id, bench.now));
  bench.pass(5.1);
  const told: Change[] = [];
  const whole = bench.firewall.apply.bind(bench.firewall);
  bench.firewall.apply = (changes) => {
    told.push(...changes);
    return whole(changes);
  };
  open(bench, { from: '192.0.2.8' });
  assert.deepEqual(
    told.map((change) => `${change.kind} ${place(change)}`),
    [`unset ${place(told[0] ?? assert.fail())}`, `set ${place(told[1] ?? assert.fail())}`],
  );
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), NOTHING);
});

/** A bench where 1,100 others have grants that last for an hour, and the twin of a kernel. */
function crowded(): GrantBench {
  const bench = new GrantBench();
  for (let made = 0; made < 1100; made++) open(bench, { ...many(made), seconds: 3600 });
  return bench;
}

test('in a crowd, too, who knocks again as his grant ends has the next one, and the kernel is asked what is there', () => {
  const bench = crowded();
  const told = brisk(bench);
  open(bench, { seconds: 10 });
  bench.pass(10.1);
  open(bench, { seconds: 10, device: PHONE });
  const brief = told.map((change) => [change.kind, 'fresh' in change ? change.fresh : undefined, change.source.prefix]);
  assert.deepEqual(brief, [
    ['set', true, 32],
    ['set', false, 32],
  ]);
  bench.pass(10.1);
  open(bench, { seconds: 10, from: '192.0.2.8' });
  assert.deepEqual(
    told.slice(2).map(({ kind, source }) => `${kind} ${formatAddress(source.address)}`),
    [`unset ${HOME}`, 'set 192.0.2.8'],
  );
});

test('in a crowd, too, the kernel ends by itself, and on time, what is led elsewhere, prefixes and single connections', () => {
  const bench = crowded();
  const told = brisk(bench);
  open(bench, { seconds: 10, target: '10.0.3.7' });
  open(bench, { seconds: 10, from: '192.0.2.0/24' });
  open(bench, { seconds: 10, once: true, service: 'dns' });
  bench.pass(10.1);
  open(bench, { from: '192.0.2.8' });
  assert.deepEqual(
    told.map((change) => [change.kind, 'grace' in change ? change.grace : undefined]),
    [
      ['set', 0],
      ['set', 0],
      ['arm', undefined],
      ['set', 250],
    ],
  );
});

test('grants that were closed long before their end, or extended, are forgotten as all others are', () => {
  for (const how of ['close', 'extend'] as const) {
    const bench = new GrantBench();
    for (let made = 0; made < 6000; made++) {
      const asked = { ...many(made), seconds: how === 'close' ? 86_400 : 1 };
      const { id } = open(bench, asked);
      bench.pass(1 / 100);
      if (how === 'close') assert.equal(bench.book.end(id, bench.now), true);
      else assert.equal(extend(bench, { ...asked, seconds: 2 }), 'extended');
    }
    assert.ok(bench.records.size <= 4096 + 201, `${String(bench.records.size)} records`);
  }
});

test('a clock that is set by seconds changes nothing of when what ended is taken out', () => {
  const [still, set] = [new GrantBench(), new GrantBench()];
  const kinds = (changes: readonly Change[]): string => changes.map(({ kind }) => kind).join();
  const before = rush(still, 5000);
  const after = rush(set, 5000, (_, made) => {
    if (made === 3500) set.set(-3600);
    if (made === 4000) set.set(7200);
  });
  assert.ok(kinds(after) === kinds(before), 'the same changes');
});

test('whether a service was granted since a moment is known also when so many ended that the grant is forgotten', () => {
  const bench = new GrantBench();
  const before = bench.now;
  open(bench, { seconds: 1, service: 'web', request: 'web' });
  for (let made = 0; made < 20_000; made++) {
    open(bench, { seconds: 1, ...many(made) });
    bench.pass(1 / 100);
  }
  assert.equal(bench.book.ofRequest(LAPTOP, 'web' as RequestId), undefined);
  assert.equal(bench.book.grantedSince('web' as ServiceName, before), true);
  assert.equal(bench.book.grantedSince('web' as ServiceName, (before + 1) as UnixMicros), false);
});

test('a clock that is set ends nothing and lengthens nothing', () => {
  for (const by of [-3600, 3600]) {
    const bench = new GrantBench();
    open(bench, { seconds: 60 });
    open(bench, { service: 'dns', once: true });
    bench.pass(10);
    bench.set(by);
    // It shares the first one's element, whose end must not be taken for an hour away, or for past.
    open(bench, { device: PHONE, seconds: 20 });
    assert.equal(extend(bench, { service: 'dns', seconds: 40 }), 'extended');
    const remaining = bench.firewall
      .list()
      .openings.map(({ endpoint, remaining }) => [endpoint.port, remaining / 1000]);
    assert.deepEqual(remaining, [
      [22, 50],
      [53, 40],
    ]);
    assert.equal(bench.book.live(bench.now).length, 3);
    assert.equal(bench.book.close(LAPTOP, SSH, bench.now), 1, 'what is live can be closed');
    bench.pass(20);
    assert.deepEqual(bench.holds(HOME, 'tcp/22'), NOTHING);
    assert.equal(bench.book.live(bench.now).length, 1);
  }
});

test('a clock that was set while nobody looked: nothing lasts longer than the kernel held it', () => {
  for (const by of [-3600, 3600]) {
    const bench = new GrantBench();
    open(bench, { seconds: 60 });
    open(bench, { device: PHONE, seconds: 20 });
    open(bench, { service: 'dns', seconds: 60 });
    bench.pass(10);
    bench.set(by);
    bench.restart();
    const live = bench.book.live(bench.now);
    for (const grant of live) assert.ok(grant.ends <= bench.now + 50 * MICROS_PER_SECOND);
    assert.equal(live.filter(({ service }) => service === 'dns').length, 1);
    for (const grant of live) bench.book.end(grant.id, bench.now);
    assert.deepEqual(bench.firewall.list().openings, [], 'and all of it can be ended');
  }
});

test('a disk that takes no record costs no grant: the kernel has it and ends it', () => {
  const bench = new GrantBench();
  const { putGrant, dropGrant } = bench.records;
  bench.records.putGrant = bench.records.dropGrant = () => {
    throw new Error('database or disk is full');
  };
  const grant = open(bench);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), TIMED);
  assert.equal(bench.book.ofRequest(LAPTOP, grant.request)?.id, grant.id);
  assert.equal(bench.book.close(LAPTOP, SSH, bench.now), 1);
  assert.deepEqual(bench.holds(HOME, 'tcp/22'), NOTHING);
  assert.match(bench.errors[0] ?? '', /^what is known of a grant could not be recorded: database or disk is full$/);
  bench.pass(400);
  Object.assign(bench.records, { putGrant, dropGrant });
  open(bench);
});

test('a firewall that refuses is told of, and nothing is believed to be open', () => {
  const bench = new GrantBench();
  refusing(bench, () => ({ ok: false, reason: 'error', error: 'ENOBUFS' }));
  assert.deepEqual(bench.book.open(bench.wanted({}), bench.now), { ok: false, reason: 'failed' });
  assert.deepEqual(bench.book.open(bench.wanted({ once: true }), bench.now), { ok: false, reason: 'failed' });
  assert.deepEqual(bench.errors, ['the firewall refused a grant: ENOBUFS', 'the firewall refused a grant: ENOBUFS']);
  assert.deepEqual(bench.book.live(bench.now), []);
});

test('whether a service was granted since a moment is known', () => {
  const bench = new GrantBench();
  bench.pass(5);
  const before = bench.now;
  assert.equal(bench.book.grantedSince(SSH, before), false);
  open(bench);
  assert.equal(bench.book.grantedSince(SSH, before), true);
  assert.equal(bench.book.grantedSince(SSH, (bench.now + 1) as UnixMicros), false);
  assert.equal(bench.book.grantedSince('web' as ServiceName, before), false);
});
