import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import type { DeviceId, Seconds, ServiceName, UnixMicros } from '@postern/protocol';
import { makeGateSecrets, writeGateKey } from '../config/gate-key.ts';
import { loadConfiguration } from '../config/load.ts';
import type { Configuration, Device, Service, User } from '../config/model.ts';
import { makePlace } from '../config/testing.ts';
import { checkConfiguration } from './check-configuration.ts';
import { judgeHost } from './check-host.ts';
import { bySeverity, type Finding } from './finding.ts';
import { readHostFacts, type HostFacts } from './host-facts.ts';

const NOW = 1_800_000_000_000_000 as UnixMicros;
const EARLIER = (NOW - 1) as UnixMicros;
const LATER = (NOW + 1) as UnixMicros;

function service(name: string, protect = false): Service {
  return {
    name: name as ServiceName,
    endpoints: [{ protocol: 'tcp', port: 22 }],
    seconds: 30 as Seconds,
    maxSeconds: 30 as Seconds,
    singleUse: false,
    observedSource: false,
    prefix4: 32,
    prefix6: 128,
    keyed: false,
    protect,
  };
}

function device(over: Partial<Device> = {}): Device {
  return {
    id: '00'.repeat(16) as DeviceId,
    name: 'laptop',
    publicKey: new Uint8Array(32),
    ...{ enrolled: undefined, expires: undefined, revoked: undefined },
    ...over,
  };
}

function user(name: string, services: readonly string[], devices: readonly Device[], over: Partial<User> = {}): User {
  return {
    name,
    file: `/etc/postern/users.d/${name}.toml`,
    services: services as readonly ServiceName[],
    ...{ from: undefined, maxSeconds: undefined, expires: undefined, revoked: undefined },
    devices,
    ...over,
  };
}

function configuration(
  services: readonly Service[],
  users: readonly User[],
  over: Partial<Configuration> = {},
): Configuration {
  return {
    file: '/etc/postern/posternd.toml',
    keyFile: '/etc/postern/gate.key',
    usersDirectory: '/etc/postern/users.d',
    name: 'gate',
    port: 62201,
    addresses: ['203.0.113.5'],
    capture: 'packet',
    pq: 'off',
    sentryUser: 'postern',
    stateDirectory: '/var/lib/postern',
    socket: '/run/postern/posternd.sock',
    dark: false,
    allow: [],
    trust: [],
    services,
    doors: [],
    fwknop: undefined,
    users,
    ...over,
  };
}

const codes = (findings: readonly Finding[]): string[] => findings.map(({ severity, code }) => `${severity} ${code}`);
const ada = user('ada', ['ssh'], [device()]);

const CONFIGURATIONS: readonly (readonly [name: string, it: Configuration, expected: readonly string[]])[] = [
  ['all in order', configuration([service('ssh', true)], [ada]), []],
  ['a service that everybody reaches', configuration([service('ssh')], [ada]), ['note service-open']],
  ['no address', configuration([service('ssh', true)], [ada], { addresses: [] }), ['error no-addresses']],
  ['no service', configuration([], []), ['warning no-services']],
  [
    'a service without users',
    configuration([service('ssh')], []),
    ['warning service-without-users', 'note service-open'],
  ],
  ['a protected service without users', configuration([service('ssh', true)], []), ['error protected-without-devices']],
  [
    'a protected service whose only device is revoked',
    configuration([service('ssh', true)], [user('ada', ['ssh'], [device({ revoked: EARLIER })])]),
    ['error protected-without-devices', 'warning user-without-devices'],
  ],
  [
    'one whose only device has expired',
    configuration([service('ssh', true)], [user('ada', ['ssh'], [device({ expires: NOW })])]),
    ['error protected-without-devices', 'warning user-without-devices'],
  ],
  [
    'one whose only device expires later',
    configuration([service('ssh', true)], [user('ada', ['ssh'], [device({ expires: LATER })])]),
    [],
  ],
  [
    'one whose only user is revoked: that user is no finding any more',
    configuration([service('ssh', true)], [user('ada', ['ssh'], [device()], { revoked: EARLIER })]),
    ['error protected-without-devices'],
  ],
  [
    'one whose only user has expired',
    configuration([service('ssh', true)], [user('ada', ['ssh'], [device()], { expires: NOW })]),
    ['error protected-without-devices'],
  ],
  [
    'a user without a device beside one with',
    configuration([service('ssh', true)], [ada, user('bob', ['ssh'], [])]),
    ['warning user-without-devices'],
  ],
  [
    'a user without services',
    configuration([service('ssh', true)], [ada, user('bob', [], [device()])]),
    ['note user-without-services'],
  ],
];

for (const [name, it, expected] of CONFIGURATIONS) {
  test(`check: ${name}`, () => {
    assert.deepEqual(codes(checkConfiguration(it, NOW)), expected);
  });
}

const GOOD: HostFacts = {
  files: [{ path: '/etc/postern/posternd.toml', uid: 0, mode: 0o600 }],
  state: { path: '/var/lib/postern', uid: 0, mode: 0o700 },
  key: undefined,
  passedOver: [],
  sentryUser: { name: 'postern', uid: 990, gid: 990 },
  setpriv: true,
  libnftables: true,
  optmem: 131_072,
  socket: { path: '/run/postern/posternd.sock', uid: 0, mode: 0o600 },
  missingCapabilities: [],
  clockKept: true,
  kernel: '6.1.0-30-amd64',
  sshd: undefined,
  unit: undefined,
  oneTime: new Map(),
  missingKeyrings: [],
};
const file = (mode: number, uid = 0): Partial<HostFacts> => ({ files: [{ path: '/etc/postern/users.d', uid, mode }] });

const HOSTS: readonly (readonly [name: string, facts: Partial<HostFacts>, expected: readonly string[]])[] = [
  ['all in order', {}, []],
  ['a readable configuration', file(0o644), []],
  ['the state not made yet', { state: undefined }, []],
  ['a configuration that its group can change', file(0o620), ['error configuration-writable']],
  ['a configuration that everybody can change', file(0o602), ['error configuration-writable']],
  ["somebody else's configuration", file(0o600, 1000), ['error configuration-writable']],
  ['a bad key file', { key: { message: 'the key is open', hint: 'chmod 600 x' } }, ['error gate-key']],
  ['no sentry user', { sentryUser: undefined }, ['error sentry-user-missing']],
  ['a sentry user with id 0', { sentryUser: { name: 'toor', uid: 0, gid: 0 } }, ['error sentry-user-root']],
  ['no setpriv', { setpriv: false }, ['error setpriv-missing']],
  ['no libnftables', { libnftables: false }, ['error libnftables-missing']],
  ['an open state directory', { state: { path: '/s', uid: 0, mode: 0o755 } }, ['warning state-open']],
  ['an open socket', { socket: { path: '/s', uid: 0, mode: 0o666 } }, ['error socket-open']],
  ['a small optmem_max', { optmem: 20_480 }, ['warning optmem-small']],
  ['a tiny optmem_max', { optmem: 10_240 }, ['warning optmem-small']],
  ['an unknown optmem_max', { optmem: undefined }, []],
  ['files that are no users', { passedOver: ['README'] }, ['note users-passed-over']],
];

for (const [name, facts, expected] of HOSTS) {
  test(`check: ${name}`, () => {
    const found = judgeHost(configuration([], []), { ...GOOD, ...facts }, 0);
    assert.deepEqual(codes(found), expected);
    for (const { what, why, severity, mend } of found) {
      assert.match(`${what}\n${why}`, /^[^A-Z].*[^.]\n[^A-Z].*[^.]$/);
      assert.ok(severity === 'note' || mend !== undefined, 'says what mends it');
    }
  });
}

test('the sentry as nobody is a warning', () => {
  const facts = { ...GOOD, sentryUser: { name: 'nobody', uid: 65_534, gid: 65_534 } };
  assert.deepEqual(codes(judgeHost(configuration([], [], { sentryUser: 'nobody' }), facts, 0)), [
    'warning sentry-user-shared',
  ]);
});

test('many users without a device are one finding that lists a few', () => {
  const users = Array.from({ length: 1_000 }, (_, i) => user(`u${i}`, ['ssh'], []));
  const [finding, ...more] = checkConfiguration(configuration([service('ssh', true)], [ada, ...users]), NOW);
  assert.deepEqual(more, []);
  assert.equal(finding?.what, '1000 users have no device that may knock: u0, u1, u2, u3, u4 and 995 more');
});

test('a small optmem_max says whether it matters always or only while keys change', () => {
  const [rotating] = judgeHost(configuration([], []), { ...GOOD, optmem: 20_480 }, 0);
  const [always] = judgeHost(configuration([], []), { ...GOOD, optmem: 10_240 }, 0);
  assert.match(rotating?.what ?? '', /while gate keys change/);
  assert.doesNotMatch(always?.what ?? '', /while gate keys change/);
});

test('the worst comes first', () => {
  const finding = (severity: Finding['severity'], what: string): Finding => ({
    ...{ severity, what, why: '' },
    code: 'gate-key',
  });
  const sorted = bySeverity([
    finding('note', 'a'),
    finding('error', 'b'),
    finding('warning', 'c'),
    finding('error', 'd'),
  ]);
  assert.deepEqual(
    sorted.map(({ what }) => what),
    ['b', 'd', 'c', 'a'],
  );
});

test('a real directory is read: permissions, key, files that are passed over', async () => {
  using place = makePlace({
    'posternd.toml':
      '[gate]\naddresses = ["h"]\nsentry_user = "daemon"\n[services.ssh]\nports = ["tcp/22"]\nprotect = true\n',
    'users.d/ada.toml': 'services = ["ssh"]\n',
    'users.d/README': 'x',
  });
  const load = (): Configuration => ({
    ...loadConfiguration(place.path('posternd.toml')),
    stateDirectory: place.directory,
  });
  writeGateKey(
    place.path('gate.key'),
    makeGateSecrets((size) => new Uint8Array(size)),
  );
  const check = async (): Promise<string[]> => {
    const it = load();
    return codes([...judgeHost(it, await readHostFacts(it), 0), ...checkConfiguration(it, NOW)]);
  };
  const missing = ['error protected-without-devices', 'warning user-without-devices'];
  assert.deepEqual(await check(), ['note users-passed-over', ...missing]);
  place.write('posternd.toml', place.read('posternd.toml'), 0o666);
  place.write('gate.key', place.read('gate.key'), 0o640);
  place.write('users.d/ada.toml', place.read('users.d/ada.toml'), process.getuid === undefined ? 0o600 : 0o606);
  assert.deepEqual((await check()).slice(0, 3), [
    'error gate-key',
    'error configuration-writable',
    'error configuration-writable',
  ]);
});
