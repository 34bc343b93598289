import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, type RequestId, type Seconds, type ServiceName, type UnixMicros } from '@postern/protocol';
import type { Fwknop } from '../config/fwknop/model.ts';
import type { Forward, Service } from '../config/model.ts';
import type { CredentialFrame, FwknopFrame } from '../line/fwknop-codec.ts';
import {
  address,
  commandRequest,
  configured,
  natRequest,
  NOW,
  ports,
  prefix,
  request,
  stanza,
} from './fwknop.fixture.ts';
import { FwknopRequests, type FwknopContext, type FwknopEvent } from './fwknop.ts';
import type { FwknopReplay, ReplayRefusal } from './fwknop-replay.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import type { Grant } from './grant.ts';
import type { Wanted } from './grants.ts';

const SECOND = 1_000_000;

function service(name: string, endpoints: string, over: Partial<Service> = {}): Service {
  return {
    name: name as ServiceName,
    endpoints: ports(endpoints),
    ...{ seconds: 30 as Seconds, maxSeconds: 60 as Seconds, prefix4: 32, prefix6: 128 },
    ...{ singleUse: false, observedSource: false, protect: true, keyed: false },
    ...over,
  };
}

/** Requests over a log of what they do, in order. */
class Bench {
  time = NOW * SECOND;
  readonly calls: string[] = [];
  readonly events: FwknopEvent[] = [];
  readonly wanted: Wanted[] = [];
  readonly heard: (Fwknop['hear'] | undefined)[] = [];
  readonly tables: (readonly CredentialFrame[])[] = [];
  refusal: ReplayRefusal | undefined;
  full = false;
  failing = false;
  busy = false;
  names = new Map<string, Uint8Array>();
  readonly requests: FwknopRequests;

  constructor(fwknop: Fwknop, services: readonly Service[] = []) {
    const used = new Set<string>();
    const replay: Pick<FwknopReplay, 'refusal' | 'use'> = {
      refusal: (_, __, packet) => {
        this.calls.push('look up');
        return this.refusal ?? (used.has(Buffer.from(packet).toString('hex')) ? 'replayed' : undefined);
      },
      use: (_, __, packet) => {
        this.calls.push('record');
        if (this.full) throw new Error('the disk is full');
        used.add(Buffer.from(packet).toString('hex'));
      },
    };
    const context: FwknopContext = {
      replay,
      grants: {
        open: (wanted, now) => {
          this.calls.push(`open ${wanted.endpoints.map(formatEndpoint).join(' ')}`);
          if (this.failing) return { ok: false, reason: 'failed' };
          this.wanted.push(wanted);
          const ends = (now + wanted.seconds * SECOND) as UnixMicros;
          return { ok: true, value: { ...wanted, id: 'g', created: now, ends } as unknown as Grant };
        },
      },
      commands: {
        run: ({ name }, _, { kind }) => {
          this.calls.push(`${kind} of ${name}`);
        },
      },
      lookUp: (name, family) => {
        this.calls.push(`ask for ${name} ${String(family)}`);
        return Promise.resolve(this.names.get(`${name} ${String(family)}`));
      },
      clock: () => this.time as UnixMicros,
      onEvent: (event) => this.events.push(event),
    };
    this.requests = new FwknopRequests(context);
    this.requests.connect((frames) => {
      if (!this.busy) this.tables.push(frames);
      return !this.busy;
    });
    this.configure({ fwknop, services });
  }

  configure(configuration: Parameters<FwknopRequests['configure']>[0]): void {
    if (!this.requests.configure(configuration)) return;
    this.heard.push(this.requests.hears);
    this.requests.tick();
  }

  /** What became of it: who opened, or why nothing did. */
  async take(frame: FwknopFrame): Promise<string> {
    const before = this.events.length;
    await this.requests.take(frame);
    assert.equal(this.events.length, before + 1, 'one event for each packet');
    const event = this.events.at(-1) ?? assert.fail();
    return event.kind === 'refused' ? event.reason : `${event.kind} by ${event.stanza.name}`;
  }
}

const one = (over = {}): Fwknop => configured([stanza('alice', over)]);

test('the record is made before anything opens or runs', async () => {
  const open = new Bench(one());
  assert.equal(await open.take(request()), 'opened by alice');
  assert.deepEqual(open.calls, ['look up', 'record', 'open tcp/22']);
  const command = new Bench(one({ commandUser: 'nobody' }));
  assert.equal(await command.take(commandRequest('id')), 'command by alice');
  assert.deepEqual(command.calls, ['look up', 'record', 'command of alice']);
  const cycle = new Bench(one({ cycle: { open: ['/bin/x'], close: undefined, closeAfter: 1 } }));
  assert.equal(await cycle.take(request()), 'cycle by alice');
  assert.deepEqual(cycle.calls, ['look up', 'record', 'cycle of alice']);
  const named = new Bench(
    configured([stanza('alice', { nat: { forward: true, local: false, force: undefined, masquerade: true } })], {
      natNames: true,
    }),
  );
  named.names.set('inside 4', address('10.0.0.5'));
  assert.equal(await named.take(natRequest('inside', 8022)), 'opened by alice');
  assert.deepEqual(named.calls, ['look up', 'record', 'ask for inside 4', 'open tcp/22']);
  assert.deepEqual(named.wanted[0]?.target, { address: address('10.0.0.5'), port: 8022, masquerade: true });
});

test('what could not be recorded opens nothing, and neither does what was used', async () => {
  const bench = new Bench(one({ commandUser: 'nobody' }));
  bench.full = true;
  assert.equal(await bench.take(request()), 'record-failed');
  assert.equal(await bench.take(commandRequest('id')), 'record-failed');
  bench.full = false;
  const packet = request();
  assert.deepEqual([await bench.take(packet), await bench.take(packet)], ['opened by alice', 'replayed']);
  assert.equal(await bench.take({ ...packet, source: address('203.0.113.66') }), 'replayed', 'whoever sends it');
  bench.refusal = 'uncertain';
  assert.equal(await bench.take(request()), 'uncertain');
  assert.deepEqual(
    bench.calls.filter((it) => it.startsWith('open') || it.startsWith('command')),
    ['open tcp/22'],
  );
});

test('a packet that a stanza refuses is used all the same: it does not open when the stanza is another one', async () => {
  const bench = new Bench(one({ requireUser: 'bob' }));
  const packet = request();
  assert.deepEqual([await bench.take(packet), await bench.take(packet)], ['user', 'replayed']);
});

test('refusals come in their order: untrue, stanza, age, rate, replay, record', async () => {
  const bench = new Bench(one({ sources: [prefix('192.0.2.0/24')], requireUser: 'bob' }));
  const wrong = { source: address('198.51.100.9'), time: NOW - 500 };
  const nobody = { ...wrong, source: address('0.0.0.0') };
  bench.full = true;
  bench.refusal = 'uncertain';
  assert.equal(await bench.take(request(nobody)), 'untrue');
  assert.equal(await bench.take(request(wrong)), 'source');
  assert.equal(await bench.take(request({ time: NOW - 500 })), 'age');
  assert.deepEqual(bench.calls, [], 'nothing of those is looked up or recorded');
  const counts = new Map<string, number>();
  for (let index = 0; index < 300; index++) {
    const reason = await bench.take(request());
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts],
    [
      ['uncertain', 256],
      ['rate', 44],
    ],
  );
  bench.time += SECOND;
  bench.refusal = undefined;
  assert.equal(await bench.take(request()), 'record-failed');
  bench.full = false;
  assert.equal(await bench.take(request()), 'user');
});

test('of an old table, or of a credential that is not there, nothing is judged', async () => {
  const bench = new Bench(one());
  for (const over of [{ serial: 0 }, { serial: 2 }, { credential: 1 }, { credential: 65_535 }])
    assert.equal(await bench.take(request(over)), 'past');
  assert.deepEqual(bench.calls, []);
  bench.requests.configure({ fwknop: one(), services: [] });
  assert.equal(await bench.take(request()), 'past', 'a race with a reload');
  assert.equal(await bench.take(request({ serial: 2 })), 'opened by alice');
  bench.requests.configure({ fwknop: undefined, services: [] });
  for (const serial of [0, 1, 2, 3]) assert.equal(await bench.take(request({ serial })), 'past');
});

test('a reload while a name is looked up: what was asked for under the stanza before does not open', async () => {
  const forwarding = (): Fwknop =>
    configured([stanza('alice', { nat: { forward: true, local: false, force: undefined, masquerade: false } })], {
      natNames: true,
    });
  const bench = new Bench(forwarding());
  bench.names.set('inside 4', address('10.0.0.5'));
  const taken = bench.take(natRequest('inside', 22));
  bench.requests.configure({ fwknop: one(), services: [] });
  assert.equal(await taken, 'past');
  assert.deepEqual(bench.wanted, []);
});

test('sources that nobody can have, also as the address that is asked for', async () => {
  const bench = new Bench(one());
  const cases: readonly [Partial<FwknopFrame>, string][] = [
    [{ source: address('224.0.0.1') }, 'untrue'],
    [{ source: address('255.255.255.255') }, 'untrue'],
    [{ asked: address('0.0.0.1') }, 'untrue'],
    [{ asked: address('239.1.1.1') }, 'untrue'],
    [{ asked: address('ff02::1') }, 'untrue'],
    [{ asked: undefined }, 'opened by alice'],
    [{ asked: address('2001:db8::9') }, 'opened by alice'],
    [
      { family: 6, source: address('2001:db8::9'), destination: address('2001:db8::1'), asked: undefined },
      'opened by alice',
    ],
    [{ family: 6, source: address('ff02::1'), destination: address('2001:db8::1') }, 'untrue'],
  ];
  for (const [over, expected] of cases) assert.equal(await bench.take(request(over)), expected, JSON.stringify(over));
  assert.deepEqual(
    bench.wanted.map(({ source }) => `${formatAddress(source.address)}/${String(source.prefix)}`),
    ['192.0.2.1/32', '2001:db8::9/128', '2001:db8::9/128'],
  );
});

test('time: two minutes either way, by the configuration; without an age any time goes', async () => {
  const bench = new Bench(one());
  for (const [offset, expected] of [
    [-121, 'age'],
    [-120, 'opened by alice'],
    [120, 'opened by alice'],
    [121, 'age'],
  ] as const)
    assert.equal(await bench.take(request({ time: NOW + offset })), expected, String(offset));
  const [event] = bench.events;
  assert.ok(event?.kind === 'refused');
  assert.deepEqual([event.ahead, event.stanza], [-121, 'alice']);
  const ageless = new Bench(configured([stanza('alice')], { maxAge: undefined }));
  for (const time of [0, 0xffff_ffff]) assert.equal(await ageless.take(request({ time })), 'opened by alice');
});

test('the first of the stanzas with those keys that lets it in wins; if none does, the first one’s reason is told', async () => {
  const bench = new Bench(
    configured([
      stanza('elsewhere', { sources: [prefix('203.0.113.0/24')] }),
      stanza('bob', { requireUser: 'bob' }),
      stanza('web', { openPorts: ports('tcp/80') }),
      stanza('web-long', { openPorts: ports('tcp/80 tcp/443') }),
    ]),
  );
  assert.equal(bench.requests.credentials, 1);
  const asks = (text: string, over = {}): Promise<string> => bench.take(request({ ports: ports(text), ...over }));
  assert.equal(await asks('tcp/80'), 'opened by web');
  assert.equal(await asks('tcp/443'), 'opened by web-long');
  assert.equal(await asks('tcp/22', { user: 'bob' }), 'opened by bob');
  assert.equal(await asks('tcp/22'), 'user');
  assert.equal(await asks('tcp/22', { source: address('203.0.113.1') }), 'opened by elsewhere');
  assert.deepEqual(
    bench.wanted.map(({ device }) => device),
    ['fwknop:web', 'fwknop:web-long', 'fwknop:bob', 'fwknop:elsewhere'],
  );
});

test('each credential has a rate of its own, which comes back', async () => {
  const other = { cipher: { kind: 'symmetric', mode: 'cbc', key: Buffer.from('another key') } } as const;
  const bench = new Bench(configured([stanza('alice'), stanza('bob', other)]));
  for (let index = 0; index < 256; index++) await bench.requests.take(request());
  assert.equal(await bench.take(request()), 'rate');
  assert.equal(await bench.take(request({ credential: 1 })), 'opened by bob');
  bench.time += SECOND;
  for (let index = 0; index < 20; index++) assert.equal(await bench.take(request()), 'opened by alice');
  assert.equal(await bench.take(request()), 'rate');
  // Whoever is refused for its source or its time takes nothing of it.
  bench.time += SECOND;
  for (let index = 0; index < 100; index++) await bench.requests.take(request({ time: 0 }));
  assert.equal(await bench.take(request()), 'opened by alice');
});

test('ports are opened by the services that they belong to, and those lead where the services do', async () => {
  const away: Forward = { address: address('10.0.0.7'), port: 8443, masquerade: false };
  const bench = new Bench(one(), [
    service('web', 'tcp/80 tcp/443', { singleUse: true }),
    service('inside', 'tcp/8443', { forward: { 4: away } }),
  ]);
  await bench.take(request({ ports: ports('tcp/443 tcp/22 tcp/80 udp/53') }));
  assert.deepEqual(
    bench.wanted.map(({ service: name, endpoints, singleUse }) => [
      name,
      endpoints.map(formatEndpoint).join(' '),
      singleUse,
    ]),
    [
      ['web', 'tcp/443 tcp/80', true],
      [undefined, 'tcp/22 udp/53', false],
    ],
  );
  const [event] = bench.events;
  assert.equal(event?.kind === 'opened' ? event.grants.length : 0, 2);
  await bench.take(request({ ports: ports('tcp/8443') }));
  assert.deepEqual([bench.wanted[2]?.service, bench.wanted[2]?.target], ['inside', away]);
  const six = { asked: address('2001:db8::5') };
  assert.equal(await bench.take(request({ ports: ports('tcp/8443'), ...six })), 'not-permitted');
  assert.equal(
    await bench.take(request({ ports: ports('tcp/8443 tcp/80'), ...six })),
    'opened by alice',
    'as far as it goes',
  );
  assert.deepEqual([bench.wanted.length, bench.wanted[3]?.service], [4, 'web']);
});

test('names are looked up only where that is on, and in the family of who is let in', async () => {
  const nat = { forward: true, local: false, force: undefined, masquerade: false };
  const off = new Bench(one({ nat }));
  assert.equal(await off.take(natRequest('inside', 22)), 'nat-name');
  assert.equal(await off.take(natRequest('10.0.0.5', 22)), 'opened by alice');
  assert.ok(!off.calls.some((it) => it.startsWith('ask')));
  const bench = new Bench(configured([stanza('alice', { nat })], { natNames: true }));
  bench.names.set('inside 4', address('10.0.0.5'));
  assert.equal(await bench.take(natRequest('nowhere', 22)), 'nat-name');
  assert.equal(await bench.take(natRequest('inside', 22, { asked: address('2001:db8::5') })), 'nat-name');
  assert.equal(await bench.take(natRequest('fd00::5', 22)), 'not-permitted', 'IPv4 cannot be led to IPv6');
  assert.equal(await bench.take(natRequest('inside', 22)), 'opened by alice');
  assert.deepEqual(
    bench.calls.filter((it) => it.startsWith('ask')),
    ['ask for nowhere 4', 'ask for inside 6', 'ask for inside 4'],
  );
});

test('what the kernel did not take is told, and counted', async () => {
  const bench = new Bench(one());
  bench.failing = true;
  assert.equal(await bench.take(request()), 'failed');
  bench.failing = false;
  await bench.take(request());
  await bench.take(request({ serial: 9 }));
  assert.deepEqual(bench.requests.counters, { opened: 1, refused: { failed: 1, past: 1 } });
});

test('the grant says whose it is, and the request which packet it was', async () => {
  const bench = new Bench(one({ singleUse: true }));
  const packet = request({ replayId: new Uint8Array(32).fill(0xab), timeout: 60 });
  await bench.take(packet);
  const [wanted] = bench.wanted;
  assert.deepEqual(
    [wanted?.device, wanted?.request, wanted?.seconds, wanted?.singleUse, wanted?.service, wanted?.target],
    ['fwknop:alice', 'ab'.repeat(8) as RequestId, 60, true, undefined, undefined],
  );
});

test('a sentry is told each new table, once it reads, and where to hear; the same configuration is none', () => {
  const fwknop = one();
  const bench = new Bench(fwknop);
  const services = [service('web', 'tcp/80')];
  bench.configure({ fwknop, services });
  assert.deepEqual([bench.tables.length, bench.heard.length], [1, 1]);
  bench.busy = true;
  bench.configure({ fwknop: configured([stanza('a'), stanza('b')]), services });
  bench.requests.tick();
  assert.equal(bench.tables.length, 1);
  bench.busy = false;
  bench.requests.tick();
  bench.requests.tick();
  assert.deepEqual(
    bench.tables.map(([first]) => first?.serial),
    [1, 2],
  );
  assert.deepEqual(bench.requests.tables(), bench.tables[1]);
  bench.configure({ fwknop: undefined, services });
  assert.deepEqual(bench.heard, [fwknop.hear, fwknop.hear, undefined]);
  assert.deepEqual(bench.tables[2], [{ type: 'credential', serial: 3, pieces: 0, index: 0, piece: undefined }]);
  bench.configure({ fwknop: configured([]), services });
  assert.equal(bench.requests.hears, undefined, 'without a stanza nothing is heard');
});
