import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceId, ServiceName } from '@postern/protocol';
import { parseForward } from '../config/forward.ts';
import { adopt, idOf } from './adoption.ts';
import { formatTarget, leadFor, targetOf, type Grant } from './grant.ts';
import { endpoint, GrantBench, source, type Asked } from './grants.fixture.ts';
import { finish } from './leisure.ts';

const HOME = '192.0.2.7';
const LAPTOP = 'laptop' as DeviceId;
const HERE = '10.0.3.7:443';
const THERE = '10.0.3.8:443';

function open(bench: GrantBench, asked: Asked): Grant {
  const opened = bench.book.open(bench.wanted(asked), bench.now);
  assert.ok(opened.ok, opened.ok ? '' : opened.reason);
  return opened.value;
}

let port = 1024;

/** Where a new connection to each of these is led: "local", "none", or the target. */
function leads(bench: GrantBench, ...to: string[]): string[] {
  const { family, address } = source(HOME);
  return to.map((text) => {
    const arrival = { family, address, port: port++, endpoint: endpoint(text) } as const;
    if (!bench.firewall.admits(arrival)) return 'none';
    const target = bench.firewall.leads(arrival);
    return target === undefined ? 'local' : formatTarget(target);
  });
}

test('each port of a service keeps its number, or has the one that is named', () => {
  const bench = new GrantBench();
  open(bench, { service: 'web', target: '10.0.3.7' });
  open(bench, { service: 'ssh', target: '10.0.3.7:2222' });
  open(bench, { service: 'dns' });
  assert.deepEqual(leads(bench, 'tcp/80', 'tcp/443', 'tcp/22', 'udp/53'), [
    '10.0.3.7:80',
    '10.0.3.7:443',
    '10.0.3.7:2222',
    'local',
  ]);
});

test('devices behind one address share what leads alike, and the last of their grants ends it', () => {
  const bench = new GrantBench();
  open(bench, { target: HERE, seconds: 60 });
  open(bench, { target: HERE, seconds: 20, device: 'phone' });
  assert.equal(bench.book.close(LAPTOP, 'ssh' as ServiceName, bench.now), 1);
  assert.deepEqual(leads(bench, 'tcp/22'), [HERE]);
  bench.pass(20);
  assert.deepEqual(leads(bench, 'tcp/22'), ['none']);
});

test('a grant ends those of its source that lead elsewhere, timed and single ones, and no others', () => {
  for (const once of [false, true]) {
    for (const then of [THERE, undefined]) {
      const bench = new GrantBench();
      const before = [
        open(bench, { target: HERE, seconds: 600 }),
        open(bench, { target: HERE, once: true }),
        open(bench, { target: HERE, once: true, device: 'phone' }),
      ];
      const kept = [open(bench, { target: HERE, from: '192.0.2.8' }), open(bench, { service: 'dns', target: HERE })];
      const next = open(bench, { device: 'tablet', once, ...(then === undefined ? {} : { target: then }) });
      const live = bench.book.live(bench.now).map(({ id }) => id);
      assert.deepEqual(
        live,
        [...kept, next].map(({ id }) => id),
      );
      for (const { request } of before) assert.ok((bench.book.ofRequest(LAPTOP, request)?.ends ?? 0) <= bench.now);
      const found = leads(bench, 'tcp/22');
      bench.pass(1);
      assert.deepEqual([...found, ...leads(bench, 'tcp/22')], [then ?? 'local', once ? 'none' : (then ?? 'local')]);
    }
  }
});

test('a grant that is extended leads to where the service lives by then', () => {
  for (const once of [false, true]) {
    const bench = new GrantBench();
    open(bench, { target: HERE, seconds: 20, once });
    open(bench, { target: HERE, seconds: 20, once, device: 'phone' });
    const extended = bench.book.extend(bench.wanted({ target: THERE, seconds: 60 }), bench.now);
    assert.ok(extended.ok);
    bench.pass(30);
    assert.deepEqual(leads(bench, 'tcp/22'), [THERE]);
    assert.equal(bench.book.live(bench.now).length, 1, 'what led elsewhere is over');
  }
});

test('after a restart grants lead on, are listed with their targets, and are found again after a flush', () => {
  const bench = new GrantBench();
  open(bench, { service: 'web', target: '10.0.3.7', seconds: 60 });
  open(bench, { service: 'ssh', target: '10.0.3.7:2222', once: true });
  open(bench, { service: 'dns', target: '10.0.3.7', from: '192.0.2.0/24', seconds: 60 });
  assert.deepEqual(bench.restart(), { adopted: 3, unknown: 0 });
  const targets = bench.book.live(bench.now).map(({ service, target }) => [service, target && formatTarget(target)]);
  assert.deepEqual(targets.sort(), [
    ['dns', '10.0.3.7'],
    ['ssh', '10.0.3.7:2222'],
    ['web', '10.0.3.7'],
  ]);
  bench.firewall.remove();
  bench.install();
  assert.equal(finish(bench.book.renew(() => bench.now)), 2);
  assert.deepEqual(leads(bench, 'tcp/80', 'udp/53', 'tcp/22'), ['10.0.3.7:80', '10.0.3.7:53', 'none']);
});

test('an element without a comment has an id by which it can be ended, and each place one of its own', () => {
  const bench = new GrantBench();
  const common = { source: source(HOME), remaining: 60_000 };
  const openings = [
    { ...common, endpoint: endpoint('tcp/22'), id: undefined, slot: undefined },
    { ...common, endpoint: endpoint('tcp/22'), id: undefined, slot: 3 },
    { ...common, endpoint: endpoint('tcp/22'), id: 'written by hand', slot: 4 },
  ];
  const { live, unknown } = adopt(openings, [], bench.now);
  assert.equal(unknown, 3);
  assert.equal(new Set(live.map(({ id }) => id)).size, 3);
  for (const { id } of live) assert.match(id, /^[0-9a-f]{16}$/);
  assert.deepEqual(
    live.map(({ id }) => id),
    openings.map(idOf),
  );

  const apply = bench.firewall.apply.bind(bench.firewall);
  const [change] = [{ ...common, endpoint: endpoint('tcp/22'), seconds: bench.wanted({}).seconds, id: '' }];
  assert.ok(
    apply([
      { kind: 'set', ...change },
      { kind: 'arm', ...change, slot: 3 },
    ]).ok,
  );
  assert.deepEqual(bench.restart(), { adopted: 2, unknown: 2 });
  for (const { id } of bench.book.live(bench.now)) assert.equal(bench.book.end(id, bench.now), true);
  assert.deepEqual(bench.firewall.list().openings, []);
});

test('a service that lives elsewhere has nothing for a family without an address', () => {
  const four = parseForward(HERE);
  assert.ok(four);
  const forward = { 4: { ...four, masquerade: true } };
  assert.deepEqual(leadFor({ forward }, { family: 4 }), { ok: true, value: forward[4] });
  assert.deepEqual(leadFor({ forward }, { family: 6 }), { ok: false, reason: 'not-permitted' });
  assert.deepEqual(leadFor({}, { family: 6 }), { ok: true, value: undefined });
  assert.equal(targetOf({ target: { ...forward[4], port: undefined } }, endpoint('udp/53'))?.port, 53);
});
