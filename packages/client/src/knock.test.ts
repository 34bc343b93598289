import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPrefix, MICROS_PER_SECOND, parsePrefix, secret, type ServiceName, toHex } from '@postern/protocol';
import { answersOf, type KnockResult } from './knock.ts';
import { partyOf } from './request.ts';
import { address, type Device, GATE4, GATE6, NOBODY, OPEN, words, World } from './testdata/world.ts';

const HOUR = 3600 * MICROS_PER_SECOND;
const LOCAL = address('10.0.0.7').join('.');

/** A device behind address translation, as most are: nobody but the gate knows its address. */
function home(seed: number): { world: World; device: Device } {
  const world = new World(seed);
  world.translated.set(LOCAL, '198.51.100.7');
  world.network.weather = { delay: 20, jitter: 0, loss: 0, duplication: 0 };
  return { world, device: world.device() };
}

function answer(result: KnockResult): ReturnType<typeof answersOf>[number]['outcome'] {
  const [first] = answersOf(result);
  assert.ok(first, `an answer, not ${words(result)}`);
  return first.outcome;
}

function sent(device: Device): string[] {
  return device.progress.flatMap((progress) => (progress.kind === 'sent' ? [progress.what] : []));
}

test('the first knock on a network asks for the address, the next one knows it', async () => {
  const { world, device } = home(1);
  assert.equal(await device.outcome(), 'ok');
  assert.deepEqual(sent(device), ['whoami', 'open']);
  assert.equal(await device.outcome(), 'ok');
  assert.deepEqual(sent(device), ['whoami', 'open', 'open']);
  assert.deepEqual(
    world.gate.grants.map(({ source }) => formatPrefix(source)),
    ['198.51.100.7', '198.51.100.7'],
  );
});

test('a global local address is stated at once', async () => {
  const world = new World(2);
  const device = world.device({ local: '8.8.4.4' });
  assert.equal(await device.outcome(), 'ok');
  assert.deepEqual(sent(device), ['open']);
});

test('a global local address behind address translation all the same is found out', async () => {
  const world = new World(3);
  const device = world.device({ local: '8.8.4.4' });
  world.translated.set(address('8.8.4.4').join('.'), '198.51.100.7');
  assert.equal(await device.outcome(), 'ok');
  assert.equal(formatPrefix(world.gate.grants[0]?.source ?? assert.fail()), '198.51.100.7');
  device.progress.length = 0;
  assert.equal(await device.outcome(), 'ok');
  assert.deepEqual(sent(device), ['open'], 'the second time it is known');
});

test('a changed address is noticed by silence and opened within the same knock', async () => {
  const { world, device } = home(4);
  assert.equal(await device.outcome(), 'ok');
  world.translated.set(LOCAL, '203.0.113.200');
  const before = world.clock.now;
  assert.equal(await device.outcome(), 'ok');
  assert.ok(world.clock.now - before < 1000, 'within a second');
  assert.equal(formatPrefix(world.gate.grants.at(-1)?.source ?? assert.fail()), '203.0.113.200');
  assert.equal(world.gate.grants.length, 2);
});

for (const pq of [false, true]) {
  const knocks = pq ? 100 : 1000;
  test(`${knocks} knocks, round trips of 2 s, 20 % loss each way, pq ${pq ? 'required' : 'off'}: 99.9 % open, each once`, async () => {
    const world = new World(5);
    world.network.weather = { delay: 1000, jitter: 0, loss: 0.2, duplication: 0.05 };
    world.translated.set(LOCAL, '198.51.100.7');
    let opened = 0;
    let device = world.device({ pq });
    for (let i = 0; i < knocks; i++) {
      // One in five is the first knock ever, for which the address must be asked for.
      if (i % 5 === 0) device = world.device({ pq });
      const result = await device.knock();
      if (words(result) === 'ok') opened++;
      await world.clock.pass(60_000);
    }
    assert.ok(opened >= 0.999 * knocks, `${opened} of ${knocks} opened`);
    const requests = new Set(world.gate.grants.map(({ request }) => request));
    assert.equal(requests.size, world.gate.grants.length, 'no request was granted twice');
    assert.ok(world.gate.grants.length <= knocks);
  });
}

test('a round trip of 1.9 s burns no era', async () => {
  const { world, device } = home(6);
  world.network.weather = { delay: 950, jitter: 0, loss: 0, duplication: 0 };
  assert.equal(await device.outcome(), 'ok');
  assert.equal(device.memory.sender.era, 0);
});

for (const [what, skew] of [
  ['an hour ahead', HOUR],
  ['an hour behind', -HOUR],
  ['68 minutes ahead', 4_090 * MICROS_PER_SECOND],
  ['68 minutes behind', -4_090 * MICROS_PER_SECOND],
] as const) {
  test(`a clock ${what} is corrected within two more round trips, and told`, async () => {
    const { world, device } = home(7);
    device.skew = skew;
    const outcome = answer(await device.knock());
    assert.equal(outcome.status, 'ok');
    assert.ok(Math.abs(outcome.clockCorrected + skew) < MICROS_PER_SECOND);
    assert.ok(outcome.tries <= 3, `${outcome.tries} packets`);
    device.progress.length = 0;
    const second = answer(await device.knock());
    assert.equal(second.clockCorrected, 0, 'it is kept');
    assert.deepEqual(sent(device), ['open']);
    // The owner sets the clock right: what was learned is wrong now.
    device.skew = 0;
    assert.equal(await device.outcome(), 'ok');
    assert.equal(world.gate.grants.length, 3);
  });
}

test('a clock that goes back by an hour between two knocks locks nobody out', async () => {
  const { device } = home(8);
  assert.equal(await device.outcome(), 'ok');
  device.skew = -HOUR;
  assert.equal(await device.outcome(), 'ok');
  device.skew = 0;
  assert.equal(await device.outcome(), 'ok');
});

test('a clock that is off by hours is met with silence', async () => {
  const { device } = home(9);
  device.skew = 5 * HOUR;
  assert.equal(await device.outcome(), 'silent');
});

test('a gate that lost its state costs one round trip', async () => {
  const { world, device } = home(10);
  assert.equal(await device.outcome(), 'ok');
  world.gate.loseState();
  const outcome = answer(await device.knock());
  assert.equal(outcome.status, 'ok');
  assert.equal(outcome.resynced, true);
  assert.equal(outcome.tries, 2);
});

test('a gate that lost its state while the clock was wrong and the address changed is reached all the same', async () => {
  const { world, device } = home(11);
  assert.equal(await device.outcome(), 'ok');
  world.gate.loseState();
  device.skew = -HOUR;
  world.translated.set(LOCAL, '203.0.113.200');
  assert.equal(await device.outcome(), 'ok');
});

test('a device restored from a backup is heard again: by its third try if it missed one era, in one knock if it missed 40', async () => {
  for (const bumps of [1, 2, 5, 40]) {
    const { world, device } = home(12 + bumps);
    assert.equal(await device.outcome(), 'ok');
    const backup = device.memory;
    for (let i = 0; i < bumps; i++) {
      // A fast clock makes the gate end an era each time.
      device.skew = (i % 2 === 0 ? 1 : -1) * HOUR;
      assert.equal(await device.outcome(), 'ok');
      await world.clock.pass(60_000);
    }
    device.skew = 0;
    device.memory = backup;
    const start = world.clock.now;
    assert.equal(await device.outcome(), 'ok', `after ${bumps} eras`);
    assert.ok(world.clock.now - start < 12_000);
    const attempts = device.progress.map((progress) => (progress.kind === 'sent' ? progress.attempt : 0));
    if (bumps === 1) assert.ok(Math.max(...attempts) <= 3, `${Math.max(...attempts)} tries`);
  }
});

test('a device that lost all that it learned is heard', async () => {
  const { world, device } = home(60);
  const fresh = device.memory;
  device.skew = HOUR;
  assert.equal(await device.outcome(), 'ok');
  device.skew = 0;
  assert.equal(await device.outcome(), 'ok');
  await world.clock.pass(5_000);
  device.memory = fresh;
  assert.equal(await device.outcome(), 'ok');
});

test('the next gate key is learned from a receipt, used, and the former one forgotten when it works', async () => {
  const { world, device } = home(61);
  assert.equal(await device.outcome(), 'ok');
  const [first] = world.gate.gateKeys;
  assert.ok(first);
  const next = world.random(32);
  world.gate.gateKeys = [first, next];
  assert.equal(await device.outcome(), 'ok');
  assert.equal(toHex(device.memory.sender.gateKey), toHex(next));
  assert.equal(toHex(device.memory.formerKey ?? new Uint8Array()), toHex(first));
  world.gate.gateKeys = [next];
  assert.equal(await device.outcome(), 'ok');
  assert.equal(device.memory.formerKey, undefined);
});

test('a gate restored from a backup before its rotation is reached with the former key', async () => {
  const { world, device } = home(62);
  assert.equal(await device.outcome(), 'ok');
  const { gateKeys } = world.gate;
  world.gate.gateKeys = [...gateKeys, world.random(32)];
  assert.equal(await device.outcome(), 'ok');
  world.gate.gateKeys = gateKeys;
  assert.equal(await device.outcome(), 'ok');
  await world.clock.pass(60_000);
  device.progress.length = 0;
  assert.equal(await device.outcome(), 'ok');
});

test('a revoked device is met with silence, with nothing but its tries to tell', async () => {
  const { world, device } = home(63);
  assert.equal(await device.outcome(), 'ok');
  world.gate.devices.clear();
  const start = world.clock.now;
  const [attempt] = await device.knock();
  assert.ok(attempt?.outcome.kind === 'silent');
  assert.equal(attempt.outcome.seen, undefined);
  assert.ok(attempt.outcome.tries > 8);
  assert.equal(world.clock.now - start, 12_000);
});

test('20 parallel knocks of one device under 200 ms jitter: all open, none twice', async () => {
  for (let seed = 100; seed < 110; seed++) {
    const { world, device } = home(seed);
    world.network.weather = { delay: 20, jitter: 200, loss: 0, duplication: 0.1 };
    device.keeping = 1;
    if (seed % 2 === 0) await device.knock();
    const before = world.gate.grants.length;
    const results = await world.clock.run(Promise.all(Array.from({ length: 20 }, () => device.start())));
    assert.deepEqual(new Set(results.map(words)), new Set(['ok']));
    assert.equal(world.gate.grants.length - before, 20);
    assert.equal(new Set(world.gate.grants.map(({ request }) => request)).size, world.gate.grants.length);
  }
});

test('20 parallel knocks while the clock is wrong and the gate has lost its state all open', async () => {
  const { world, device } = home(120);
  assert.equal(await device.outcome(), 'ok');
  world.network.weather = { delay: 20, jitter: 200, loss: 0.05, duplication: 0.1 };
  world.gate.loseState();
  device.skew = HOUR;
  const results = await world.clock.run(Promise.all(Array.from({ length: 20 }, () => device.start())));
  assert.deepEqual(new Set(results.map(words)), new Set(['ok']));
});

test('what the network says ends nothing, and is told when silence does', async () => {
  const { world, device } = home(130);
  world.icmp = 'ECONNREFUSED';
  const [attempt] = await device.knock(OPEN, { addresses: [NOBODY] });
  assert.deepEqual(attempt?.outcome.kind === 'silent' ? attempt.outcome.troubles : [], ['ECONNREFUSED']);
  assert.equal(await device.outcome(OPEN, { addresses: [NOBODY, GATE4] }), 'ok');
});

test('the second address joins when the first is silent, and at once when it is out of reach', async () => {
  const { world, device } = home(131);
  let start = world.clock.now;
  assert.equal(await device.outcome(OPEN, { addresses: [NOBODY, GATE4] }), 'ok');
  assert.ok(world.clock.now - start < 1_500);
  start = world.clock.now;
  const [attempt] = await device.knock(OPEN, { addresses: [GATE6, GATE4] });
  assert.equal(toHex(attempt?.address ?? new Uint8Array()), toHex(GATE4));
  assert.ok(world.clock.now - start < 100);
});

test('with both families both are opened, each for its own address', async () => {
  const { world, device } = home(132);
  device.local[6] = address('2600::7');
  assert.equal(await device.outcome(OPEN, { addresses: [GATE4, GATE6], reach: 'each-family' }), 'ok ok');
  assert.deepEqual(world.gate.grants.map(({ source }) => formatPrefix(source)).sort(), ['198.51.100.7', '2600::7']);
});

test('a family that is silent holds the other up for a moment only', async () => {
  const { world, device } = home(133);
  device.local[6] = address('2600::7');
  const silent6 = address('2001:db8::99');
  const start = world.clock.now;
  assert.equal(await device.outcome(OPEN, { addresses: [GATE4, silent6], reach: 'each-family' }), 'ok given-up');
  assert.ok(world.clock.now - start < 500);
});

test('nothing is begun once a knock has ended, also when its last receipt was just being kept', async () => {
  const world = new World(142);
  world.network.weather = { delay: 20, jitter: 0, loss: 0, duplication: 0 };
  const device = world.device({ local: '8.8.4.4' });
  world.gate.loseState();
  // Kept at 30 ms, answered at 70 ms with `resync`, which would be kept at 100 ms.
  device.keeping = 30;
  assert.equal(await device.outcome(OPEN, { patience: 80 }), 'silent');
  const { carried } = world.network;
  const { last } = device.memory.sender;
  await world.clock.pass(30_000);
  assert.equal(world.network.carried, carried);
  assert.equal(device.memory.sender.last, last, 'nor is a time taken for it');
});

test('no way to any address is said at once', async () => {
  const { world, device } = home(134);
  assert.equal(await device.outcome(OPEN, { addresses: [GATE6] }), 'unreachable');
  assert.equal(world.clock.now, 0);
});

test('a service that the user may not open is not permitted, and nothing is tried again', async () => {
  const { device } = home(135);
  const result = await device.knock({ ...OPEN, service: 'imap' as ServiceName });
  assert.equal(words(result), 'not-permitted');
  assert.deepEqual(sent(device), ['whoami', 'open']);
});

test('a stated source that the gate does not see ends as soon as the gate says where it sees us', async () => {
  const { world, device } = home(136);
  const source = parsePrefix('203.0.113.0/24') ?? assert.fail();
  const [attempt] = await device.knock({ ...OPEN, source });
  assert.ok(attempt?.outcome.kind === 'silent');
  assert.equal(toHex(attempt.outcome.seen ?? new Uint8Array()), toHex(address('198.51.100.7')));
  assert.ok(world.clock.now < 2_000);
});

test('an observed source opens where the service gives leave, else there is silence but for the whoami', async () => {
  const { world, device } = home(137);
  const observed = { ...OPEN, source: 'observed' } as const;
  const [attempt] = await device.knock(observed);
  assert.ok(attempt?.outcome.kind === 'silent' && attempt.outcome.seen !== undefined);
  const ssh = world.gate.services.get('ssh') ?? assert.fail();
  world.gate.services.set('ssh', { ...ssh, observedSource: true });
  await world.clock.pass(60_000);
  assert.equal(await device.outcome(observed), 'ok');
});

test('extend prolongs and close ends what is open', async () => {
  const { world, device } = home(138);
  const extend = { ...OPEN, kind: 'extend', seconds: 300 } as const;
  assert.equal(await device.outcome(extend), 'not-permitted', 'nothing to extend');
  assert.equal(await device.outcome(), 'ok');
  assert.equal(await device.outcome(extend), 'ok');
  const [grant] = world.gate.grants;
  assert.ok(grant && grant.end > world.time() + 290 * MICROS_PER_SECOND);
  assert.equal(await device.outcome({ kind: 'close', service: OPEN.service }), 'ok');
  assert.ok(grant.end <= world.time());
});

test('without state that can be kept, nothing is sent', async () => {
  const { world, device } = home(139);
  device.broken = new Error('the disk is full');
  await assert.rejects(device.knock(), /the disk is full/);
  assert.equal(world.network.carried, 0);
});

test('a success whose lesson cannot be kept is a success, and says so', async () => {
  const { world, device } = home(140);
  assert.equal(await device.outcome(), 'ok');
  world.translated.set(LOCAL, '203.0.113.200');
  device.keeping = 0;
  const running = device.start({ ...OPEN, source: 'auto' });
  world.clock.after(10, () => {
    device.broken = new Error('the disk is full');
  });
  // The open is answered only for the old address; so let the gate see that one.
  world.translated.set(LOCAL, '198.51.100.7');
  world.gate.gateKeys = [...world.gate.gateKeys, world.random(32)];
  const outcome = answer(await world.clock.run(running));
  assert.equal(outcome.unsaved, 'the disk is full');
});

test('every time is kept before its packet leaves, and no two packets share one', async () => {
  const { world, device } = home(141);
  device.keeping = 5;
  const kept: number[] = [];
  const { network } = world;
  const carry = network.carry.bind(network);
  network.carry = (datagram, arrive): void => {
    if (datagram.length === 352) kept.push(device.durable);
    carry(datagram, arrive);
  };
  world.gate.services.delete('ssh');
  await world.clock.run(Promise.all(Array.from({ length: 5 }, () => device.start())));
  const times = world.gate.heard.map(({ time }) => time);
  assert.equal(times.length, kept.length);
  assert.ok(times.length >= 10);
  for (const [i, time] of times.entries())
    assert.ok(time <= (kept[i] ?? 0), `packet ${i} left before its time was kept`);
  assert.equal(new Set(times).size, times.length);
});

test('the key for keyed knocks is that of the very enrolment whose receipt came, one of those that the gate has', async () => {
  let doubtful = 0;
  for (let seed = 60; seed < 80; seed++) {
    const { world, device } = home(seed);
    world.network.weather = { delay: 20, jitter: 600, loss: 0.4, duplication: 0 };
    const { statics } = world.gate;
    const gate = { x25519: statics[1].public.bytes, xwing: statics[2].public.bytes };
    const party = partyOf({ gate, pq: 'off' }, secret(world.random(32)));
    world.gate.invite(new Uint8Array(32), party.signer.publicKey);
    const newDevice = world.device().party.signer.publicKey;
    const result = await device.knock({ kind: 'enrol', newDevice }, { party });
    if (answersOf(result).length === 0) continue;
    const { knockKey } = answer(result);
    const held = world.gate.knockKeys.map(toHex);
    assert.ok(knockKey !== undefined && held.includes(toHex(knockKey)));
    if (held.length > 1) doubtful++;
  }
  assert.ok(doubtful > 3, `only ${doubtful} enrolments came twice`);
  const { device } = home(80);
  assert.equal(answer(await device.knock()).knockKey, undefined, 'nothing else has one');
});
