import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  MICROS_PER_SECOND,
  STATEMENT,
  deviceIdOf,
  importSigner,
  toHex,
  type RequestId,
  type ServiceName,
  type Signer,
  type UnixMicros,
} from '@postern/protocol';
import type { RequestFrame } from '../line/codec.ts';
import { random, HOME, ELSEWHERE, web, bench } from './requests.fixture.ts';
import { gateKeyId } from './rotation.ts';

test('a request opens its service for its source, and its packet never again', (context) => {
  const b = bench(context);
  const frame = b.frame();
  const verdict = b.verdict(frame);
  assert.equal(verdict.status, 'ok');
  assert.equal(verdict.end, b.now + 30 * MICROS_PER_SECOND);
  assert.equal(b.openings(), 1);
  assert.equal(b.refusal(frame), 'stale');
  b.restart();
  assert.equal(b.refusal(frame), 'stale');
  assert.equal(b.openings(), 1);
});

test('a packet from another address than it states is refused and not recorded: its owner can still use it', (context) => {
  const b = bench(context);
  const frame = b.frame();
  assert.equal(b.refusal({ ...frame, address: ELSEWHERE }), 'source');
  assert.equal(b.openings(), 0);
  assert.equal(b.store.freshnessOf(deviceIdOf(b.signer.publicKey)), undefined);
  assert.equal(b.verdict(frame).status, 'ok');
});

test('a retry of a request is one grant, also across a restart', (context) => {
  const b = bench(context);
  const requestId = toHex(random(8)) as RequestId;
  const first = b.verdict(b.frame({ requestId }));
  b.pass(2);
  const second = b.verdict(b.frame({ requestId }));
  assert.equal(second.end, first.end);
  b.pass(2);
  b.restart();
  assert.equal(b.verdict(b.frame({ requestId })).end, first.end);
  assert.equal(b.openings(), 1);
});

test('lost state: a device is told the new state id, opens nothing, and then gets in', (context) => {
  const b = bench(context);
  const verdict = b.verdict(b.frame({ stateId: random(8) }));
  assert.equal(verdict.status, 'resync');
  assert.equal(b.openings(), 0);
  b.pass(1);
  assert.equal(b.verdict(b.frame()).status, 'ok');
});

test('a fast clock is told so, opens nothing, and its packets are dead for good', (context) => {
  const b = bench(context);
  const fast = b.frame({ time: (b.now + 3600 * MICROS_PER_SECOND) as UnixMicros });
  const verdict = b.verdict(fast);
  assert.equal(verdict.status, 'clock');
  assert.equal(verdict.era, 1);
  b.pass(3600);
  assert.equal(b.refusal(fast), 'era');
  assert.equal(b.openings(), 0);
  assert.equal(b.verdict(b.frame({ era: 1 })).status, 'ok');
});

test('who is unknown, revoked or expired gets silence', (context) => {
  const b = bench(context);
  assert.equal(b.refusal(b.frame({}, HOME, importSigner(random(32)))), 'device-unknown');
  b.device = { revoked: b.now };
  assert.equal(b.refusal(b.frame()), 'device-revoked');
  b.device = { expires: b.now };
  assert.equal(b.refusal(b.frame()), 'device-expired');
  b.device = {};
  assert.equal(b.verdict(b.frame()).status, 'ok');
});

test('a signature that is not by the device named is refused before anything is recorded', (context) => {
  const b = bench(context);
  const thief = importSigner(random(32));
  const frame = b.frame({ device: deviceIdOf(b.signer.publicKey) }, HOME, thief);
  assert.equal(b.refusal(frame), 'signature');
  assert.equal(b.store.freshnessOf(deviceIdOf(b.signer.publicKey)), undefined);
});

test('bytes that a sentry made up, or for another gate, are refused as frames', (context) => {
  const b = bench(context);
  const frame = b.frame();
  assert.equal(b.refusal({ ...frame, plaintext: random(183) }), 'frame');
  const other = frame.plaintext.slice();
  other.set(random(16), STATEMENT.audience);
  assert.equal(b.refusal({ ...frame, plaintext: other }), 'frame');
  assert.equal(b.refusal({ ...frame, suite: 2 }), 'frame');
});

test('an observed source needs leave by its service, and a copy from a second address is an event', (context) => {
  const b = bench(context);
  assert.equal(b.refusal(b.frame({ source: { type: 'observed' } })), 'source-leave');
  const frame = b.frame({ source: { type: 'observed' }, service: web.name });
  assert.equal(b.verdict(frame).status, 'ok');
  assert.equal(b.refusal({ ...frame, address: ELSEWHERE }), 'stale');
  assert.deepEqual(b.events.at(-1)?.kind, 'raced');
  assert.equal(b.openings(), 1);
});

test('close ends all grants of the device for the service, whatever their source, and older requests open nothing after it', (context) => {
  const b = bench(context);
  b.verdict(b.frame({ service: web.name }));
  const late = b.frame({ service: web.name, time: (b.now + 1) as UnixMicros });
  b.pass(1);
  assert.equal(
    b.verdict(b.frame({ kind: 'close', service: web.name, source: { type: 'observed' } }, ELSEWHERE)).status,
    'ok',
  );
  assert.equal(b.openings(), 0);
  assert.equal(b.refusal(late), 'stale');
});

test('extend lengthens a live grant and nothing else', (context) => {
  const b = bench(context);
  const none = b.verdict(b.frame({ kind: 'extend', service: web.name }));
  assert.equal(none.status, 'not-permitted');
  b.pass(1);
  b.verdict(b.frame({ service: web.name }));
  b.pass(20);
  const extended = b.verdict(b.frame({ kind: 'extend', service: web.name, seconds: 50 }));
  assert.equal(extended.end, b.now + 50 * MICROS_PER_SECOND);
  assert.equal(b.openings(), 1);
  b.pass(51);
  assert.equal(b.openings(), 0);
});

test('more seconds than the service allows are cut, and another service is not permitted', (context) => {
  const b = bench(context);
  assert.equal(b.verdict(b.frame({ seconds: 86_400 })).end, b.now + 60 * MICROS_PER_SECOND);
  b.pass(1);
  assert.equal(b.verdict(b.frame({ service: 'other' as ServiceName })).status, 'not-permitted');
});

test('single use: each request arms a place of its own; of the 32 for one source a device leaves 8 to its neighbours', (context) => {
  const b = bench(context);
  for (let i = 0; i < 24; i++) {
    assert.equal(b.verdict(b.frame()).status, 'ok');
    b.pass(0.001);
  }
  assert.equal(b.openings(), 24);
  assert.equal(b.verdict(b.frame()).status, 'failed');
  b.pass(31);
  assert.equal(b.verdict(b.frame()).status, 'ok');
});

test('a device that floods is cut to 64 at once and then one a second', (context) => {
  const b = bench(context);
  let recorded = 0;
  for (let i = 0; i < 100; i++) {
    b.now = (b.now + 1) as UnixMicros;
    if (b.handler.handle(b.frame({ kind: 'whoami', source: { type: 'observed' }, service: undefined })).ok) recorded++;
  }
  assert.equal(recorded, 64);
  b.pass(3);
  assert.equal(b.verdict(b.frame({ kind: 'whoami', source: { type: 'observed' }, service: undefined })).status, 'ok');
});

test('the next gate key is told until the device uses it', (context) => {
  const b = bench(context);
  assert.deepEqual(b.verdict(b.frame()).nextKey, b.keys.next);
  b.pass(1);
  assert.equal(b.verdict(b.frame({}, HOME, b.signer, 1)).nextKey, undefined);
  assert.equal(b.moved, 1);
  b.pass(1);
  b.verdict(b.frame({}, HOME, b.signer, 1));
  assert.equal(b.moved, 1);
});

test('an invite enrols one device, once, and the same device again gets the same answer', (context) => {
  const b = bench(context);
  const invite = importSigner(random(32));
  const id = deviceIdOf(invite.publicKey);
  const expires = (b.now + 60 * MICROS_PER_SECOND) as UnixMicros;
  b.store.addInvite({
    id,
    user: 'alice',
    publicKey: invite.publicKey,
    gateKey: gateKeyId(b.keys.current),
    created: b.now,
    expires,
    usedBy: undefined,
  });
  const enrol = (device: Signer): RequestFrame =>
    b.frame(
      { kind: 'enrol', service: undefined, newDevice: device.publicKey, source: { type: 'observed' } },
      HOME,
      invite,
    );
  const [first, second] = [importSigner(random(32)), importSigner(random(32))];
  assert.equal(b.verdict(enrol(first)).status, 'ok');
  b.pass(1);
  assert.equal(b.verdict(enrol(first)).status, 'ok');
  assert.deepEqual(b.enrolled, [first.publicKey]);
  b.pass(1);
  assert.equal(b.refusal(enrol(second)), 'invite-used');
  assert.equal(
    b.refusal(
      b.frame(
        { kind: 'enrol', service: undefined, newDevice: first.publicKey, source: { type: 'observed' } },
        HOME,
        second,
      ),
    ),
    'invite-unknown',
  );
});

test('a device that was revoked does not learn the next gate key by enrolling again', (context) => {
  const b = bench(context);
  const invite = importSigner(random(32));
  const id = deviceIdOf(invite.publicKey);
  const expires = (b.now + 60 * MICROS_PER_SECOND) as UnixMicros;
  const { publicKey } = importSigner(random(32));
  b.store.addInvite({
    id,
    user: 'alice',
    publicKey: invite.publicKey,
    gateKey: gateKeyId(b.keys.current),
    created: b.now,
    expires,
    usedBy: undefined,
  });
  const enrol = (): RequestFrame =>
    b.frame({ kind: 'enrol', service: undefined, newDevice: publicKey, source: { type: 'observed' } }, HOME, invite);
  assert.equal(b.verdict(enrol()).status, 'ok');
  b.pass(1);
  b.guest = { revoked: b.now };
  assert.equal(b.refusal(enrol()), 'device-revoked');
});

test('a request id that has a grant gets no other one, for another source or service', (context) => {
  const b = bench(context);
  const requestId = toHex(random(8)) as RequestId;
  assert.equal(b.verdict(b.frame({ requestId })).status, 'ok');
  b.pass(1);
  assert.equal(b.verdict(b.frame({ requestId, service: web.name })).status, 'not-permitted');
  b.pass(1);
  const elsewhere = { type: 4, prefix: 32, address: ELSEWHERE } as const;
  assert.equal(b.verdict(b.frame({ requestId, source: elsewhere }, ELSEWHERE)).status, 'not-permitted');
  assert.equal(b.openings(), 1);
});

test('a race that is not signed by the device is no event, and one that is, is told once', (context) => {
  const b = bench(context);
  const frame = b.frame({ source: { type: 'observed' }, service: web.name });
  b.verdict(frame);
  const copy = { ...frame, address: ELSEWHERE };
  const forged = copy.plaintext.slice();
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  b.refusal({ ...copy, plaintext: forged });
  assert.notEqual(b.events.at(-1)?.kind, 'raced');
  for (let i = 0; i < 3; i++) b.refusal(copy);
  assert.equal(b.events.filter((event) => event.kind === 'raced').length, 1);
});

test('an invite that ran out enrols nobody', (context) => {
  const b = bench(context);
  const invite = importSigner(random(32));
  const id = deviceIdOf(invite.publicKey);
  b.store.addInvite({
    id,
    user: 'alice',
    publicKey: invite.publicKey,
    gateKey: gateKeyId(b.keys.current),
    created: b.now,
    expires: b.now,
    usedBy: undefined,
  });
  const frame = b.frame(
    { kind: 'enrol', service: undefined, newDevice: random(32), source: { type: 'observed' } },
    HOME,
    invite,
  );
  assert.equal(b.refusal(frame), 'invite-expired');
});

for (const announces of [true, false]) {
  const when = announces ? 'and was announced is taken back' : 'is refused';
  test(`a grant whose record cannot be written ${when}, and the gate goes on`, (context) => {
    const b = bench(context);
    const record = b.store.record.bind(b.store);
    if (!announces) b.store.announce = () => false;
    let seen = -1;
    b.store.record = () => {
      seen = b.openings();
      throw new Error('database or disk is full');
    };
    const tried = b.frame({ requestId: 'a1b2c3d4e5f60718' as RequestId });
    assert.equal(b.refusal(tried), 'record-failed');
    assert.equal(seen, announces ? 1 : 0, 'only an announced grant is there before its record');
    assert.equal(b.openings(), 0);
    const [told, ...more] = b.events;
    assert.deepEqual([told?.kind, more], ['record-failed', []]);
    const grant = told?.kind === 'record-failed' ? told.opened?.grant : undefined;
    assert.equal(grant?.service, announces ? 'ssh' : undefined, 'what was open for a moment is told');
    b.store.record = record;
    // What opened, if only for a moment, opens nothing more.
    assert.equal(b.refusal(tried), announces ? 'stale' : 'verdict ok');
    b.pass(1);
    const again = b.frame({ requestId: 'a1b2c3d4e5f60718' as RequestId });
    assert.equal(b.verdict(again).status, 'ok');
    assert.equal(b.openings(), 1, 'a retry of the request opens');
  });
}
