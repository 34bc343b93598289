import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEYED_GUESSING, type DeviceId, type DoorStep, type ServiceName } from '@postern/protocol';
import type { Door, User } from '../../config/model.ts';
import { FINDINGS } from '../finding-table.ts';
import { doors, keyedServices, showNumber } from './doors.ts';
import { service, subject } from './subject.fixture.ts';

function tcp(port: number): DoorStep {
  return { protocol: 'tcp', port, flagsSet: 0, flagsClear: 0, minGap: 0, maxGap: 25e6 };
}

function door(steps: readonly DoorStep[] | undefined, over: Partial<Door> = {}): Door {
  return {
    ...{ name: 'front', steps, oneTime: undefined, timeout: 25e6, minGap: 0, maxGap: 25e6, misses: 0, anyOrder: false },
    ...{ target: undefined, opens: undefined, commands: undefined },
    ...over,
  };
}

function found(one: Door, lines: readonly number[][] = []): string {
  const knocks = lines.map((ports, at) => ({
    number: at + 1,
    knocks: ports.map((port) => ({ protocol: 'tcp' as const, port })),
  }));
  const [finding, ...more] = doors(
    subject({ configuration: { doors: [one] }, facts: { oneTime: new Map([['/f', knocks]]) } }),
  );
  assert.equal(more.length, 0);
  if (finding === undefined) return 'nothing';
  assert.ok(FINDINGS[finding.code].severities.includes(finding.severity));
  return `${finding.severity} ${finding.code}: ${finding.what}; ${finding.why}; ${finding.mend ?? ''}`;
}

test('the door 1000, 5001, 9001: 1.4·10^14 guesses, and 65,535 packets at most under the rules of knockd', () => {
  const text = found(door([tcp(1000), tcp(5001), tcp(9001)]));
  assert.match(
    text,
    /^note door-rating: door front \(tcp\/1000, tcp\/5001, tcp\/9001\): 1\.4·10\^14 guesses on average if every wrong port resets; /,
  );
  assert.match(
    text,
    /a scan opens nothing \(under knockd's rules an ascending scan opens it with at most 65,535 packets\); /,
  );
  assert.match(
    text,
    /who watched once needs 3 packets; whoever sees a knock can repeat it, and 1 packet .* cancels it; let it go/,
  );
  assert.doesNotMatch(text, /rising/);
});

test('what is weak is a warning that says what to change', () => {
  const forgiving = found(door([tcp(7000), tcp(7010)], { misses: 20 }));
  assert.match(forgiving, /^warning door-weak: .*an ascending scan opens it with at most 65,535 packets; /);
  assert.match(forgiving, /21 packets .* cancel it; .*give `sequence` one step more; lower `misses`/);
  const falling = found(door([tcp(9000), tcp(8999), tcp(8998)]));
  assert.match(falling, /^warning door-weak: .*; a descending scan opens it with at most 65,535 packets; /);
  const anyOrder = found(door([tcp(7000), tcp(7001)], { anyOrder: true }));
  assert.match(anyOrder, /\(tcp\/7000 \+ tcp\/7001\).*an ascending scan .* packets, a descending one opens/);
});

test('one-time sequences are rated by those that are heard, and not told', () => {
  const oneTime = { file: '/f', lookAhead: 3 };
  const lines = [[9, 7, 8, 1], [3, 1, 2], [4, 9, 4, 2], [1]];
  const text = found(door(undefined, { oneTime }), lines);
  // (65,535^3 / 2) / 3: the shortest of the three that are heard.
  assert.match(
    text,
    /^note door-rating: door front \(one-time sequences\): 4\.7·10\^13 guesses .*who watched once has nothing; nobody can repeat/,
  );
  assert.equal(found(door(undefined, { oneTime: { ...oneTime, file: '/unreadable' } }), lines), 'nothing');
});

const keyed = service('ssh', 22, { keyed: true });

function user(name: string, devices: number, over: Partial<User> = {}): User {
  const more = { enrolled: undefined, expires: undefined, revoked: undefined };
  return {
    ...{ name, file: `/${name}.toml`, services: ['ssh' as ServiceName], from: undefined, maxSeconds: undefined },
    ...{ expires: undefined, revoked: undefined },
    devices: Array.from({ length: devices }, (_, i) => ({
      ...{ id: `${name}${i}` as DeviceId, name: `d${i}`, publicKey: new Uint8Array(32), ...more },
    })),
    ...over,
  };
}

test('keyed services are rated by the live devices that may open them', () => {
  const users = [user('alice', 2), user('bob', 1, { services: [] }), user('eve', 5, { revoked: 1 as never })];
  const [finding] = keyedServices(subject({ configuration: { services: [keyed], users } }));
  assert.equal(finding?.severity, 'note');
  assert.match(finding.what, /^keyed knocking \(ssh, 2 pairs of a device and a service\): 4\.8·10\^23 packets/);
  assert.match(finding.why, /1\.6·10\^15 packets within 90 seconds/);
  assert.equal(finding.figures?.['pairs'], 2);
  const services = [{ ...keyed, observedSource: true }];
  const [observed] = keyedServices(subject({ configuration: { services, users } }));
  assert.match(observed?.why ?? '', /^ssh may be opened for an observed source.*3,173 packets$/);
  assert.deepEqual(keyedServices(subject({ configuration: { services: [service('ssh', 22)], users } })), []);
});

test('less work than 10^15 packets is an error', () => {
  const configuration = { services: [keyed], users: [user('alice', 1)] };
  const [finding] = keyedServices(subject({ configuration }), { ...KEYED_GUESSING, needed: 7 });
  assert.equal(finding?.severity, 'error');
  assert.match(finding.what, /which is below 10\^15/);
});

test('large numbers are shown as powers of ten', () => {
  assert.deepEqual([3, 65_535, 999_999, 1e6, 140_731_046_002_687].map(showNumber), [
    ...['3', '65,535', '999,999', '1.0·10^6', '1.4·10^14'],
  ]);
});
