import assert from 'node:assert/strict';
import { chmodSync, lstatSync, readdirSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { deviceIdOf, type DeviceId, type UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import fc from 'fast-check';
import { parse, stringify } from 'smol-toml';
import { writeAtomically } from './atomic-write.ts';
import { loadConfiguration } from './load.ts';
import { setProtect } from './protect-edit.ts';
import { encodeKey } from './schema.ts';
import { makePlace, makePublicKey } from './testing.ts';
import { addDevice, addUser, revokeDevice, revokeUser } from './user-file.ts';

const NOW = (Date.UTC(2026, 10, 22, 15) * 1000) as UnixMicros;
const ISO = '2026-11-22T15:00:00.000Z';
const KEYS = [makePublicKey(), makePublicKey()] as const;
const [FIRST, SECOND] = KEYS.map((key) => ({ key, id: deviceIdOf(key), base64: encodeKey(key) })) as [Known, Known];
interface Known {
  key: Uint8Array;
  id: DeviceId;
  base64: string;
}

const GATE = `# my gate
[gate]
port = 62201

[services.web]
ports = ["tcp/80"] # and later 443

# ssh is the important one
[services.ssh]   # a comment here
ports = [
  "tcp/22", # the usual
]
seconds = 30

[services.other]
ports = ["tcp/99"]
protect = true
`;

test('protect is written behind the last key of its service, and nothing else changes', () => {
  using place = makePlace({ 'posternd.toml': GATE });
  const file = place.path('posternd.toml');
  setProtect(file, 'ssh', true);
  assert.equal(place.read('posternd.toml'), GATE.replace('seconds = 30\n', 'seconds = 30\nprotect = true\n'));
  setProtect(file, 'ssh', false);
  assert.equal(place.read('posternd.toml'), GATE.replace('seconds = 30\n', 'seconds = 30\nprotect = false\n'));
  setProtect(file, 'other', false);
  assert.match(place.read('posternd.toml'), /ports = \["tcp\/99"\]\nprotect = false\n$/);
  assert.equal(loadConfiguration(file).services.length, 3);
});

test('what says so already is not touched', () => {
  using place = makePlace({ 'posternd.toml': GATE });
  const before = statSync(place.path('posternd.toml')).ino;
  setProtect(place.path('posternd.toml'), 'other', true);
  setProtect(place.path('posternd.toml'), 'web', false);
  assert.equal(statSync(place.path('posternd.toml')).ino, before);
});

test('every common way of writing a service is edited, or refused with the line to write by hand', () => {
  const table: readonly (readonly [text: string, after: string | undefined])[] = [
    ['[services.ssh]\nports = ["tcp/22"]', '[services.ssh]\nports = ["tcp/22"]\nprotect = true\n'],
    ['[services.ssh]\r\nports = ["tcp/22"]\r\n', '[services.ssh]\r\nports = ["tcp/22"]\r\nprotect = true\r\n'],
    [
      '[services."ssh"]\nprotect=false#x\nports = ["tcp/22"]\n',
      '[services."ssh"]\nprotect=true#x\nports = ["tcp/22"]\n',
    ],
    [
      '[services]\nssh.ports = ["tcp/22"]\nssh.protect = false\n',
      '[services]\nssh.ports = ["tcp/22"]\nssh.protect = true\n',
    ],
    [
      'services.ssh = { ports = ["tcp/22"], protect = false }\n',
      'services.ssh = { ports = ["tcp/22"], protect = true }\n',
    ],
    ['services.ssh = { ports = ["tcp/22"] }\n', undefined],
    ['[services]\nssh.ports = ["tcp/22"]\n', undefined],
    [
      '[services.ssh] # ports = ["tcp/1"]\n# protect = false\nports = ["tcp/22"] # protect = false\n\n# end\n',
      '[services.ssh] # ports = ["tcp/1"]\n# protect = false\nports = ["tcp/22"] # protect = false\nprotect = true\n\n# end\n',
    ],
  ];
  for (const [text, after] of table) {
    using place = makePlace({ 'posternd.toml': text });
    const file = place.path('posternd.toml');
    if (after === undefined) {
      assert.throws(
        () => {
          setProtect(file, 'ssh', true);
        },
        (error: unknown) =>
          error instanceof PersonError && error.hint === 'write by hand, in [services.ssh]: protect = true',
      );
      assert.equal(place.read('posternd.toml'), text, 'untouched');
    } else {
      setProtect(file, 'ssh', true);
      assert.equal(place.read('posternd.toml'), after);
    }
  }
});

test('a service that is no longer there, and a file that is broken, are errors and stay as they are', () => {
  using place = makePlace({ 'posternd.toml': GATE });
  assert.throws(() => {
    setProtect(place.path('posternd.toml'), 'gone', true);
  }, /there is no service "gone" any more/);
  place.write('posternd.toml', '[services.ssh\n');
  assert.throws(() => {
    setProtect(place.path('posternd.toml'), 'ssh', true);
  }, /posternd\.toml:1:\d+: /);
  assert.equal(place.read('posternd.toml'), '[services.ssh\n');
});

const serviceName = fc.stringMatching(/^[a-z0-9-]{1,8}$/).filter((name) => name !== 'constructor');

test('in any configuration that is written at all, exactly the one value changes', () => {
  const configurations = fc.dictionary(
    serviceName,
    fc.record(
      {
        ports: fc.array(fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed())),
        seconds: fc.nat(),
        protect: fc.boolean(),
      },
      { requiredKeys: ['ports'] },
    ),
    { minKeys: 1, maxKeys: 4 },
  );
  using place = makePlace();
  const file = place.path('posternd.toml');
  fc.assert(
    fc.property(configurations, fc.nat(), fc.boolean(), (services, pick, protect) => {
      const names = Object.keys(services);
      const name = names[pick % names.length] ?? '';
      place.write('posternd.toml', stringify({ services }));
      setProtect(file, name, protect);
      const expected = structuredClone(services);
      const service = expected[name];
      assert.ok(service);
      if ((service.protect ?? false) !== protect) service.protect = protect;
      assert.deepEqual(
        JSON.parse(JSON.stringify(parse(place.read('posternd.toml')))),
        JSON.parse(JSON.stringify({ services: expected })),
      );
    }),
    { numRuns: 100 },
  );
});

const USER = `# Ada, see ticket 7
services = ["ssh"] # more later

[[devices]]
name = "laptop"
ed25519 = "${FIRST.base64}" # lost in May
`;

test('a user is added, gets devices, and loses them; comments survive and the loader agrees at every step', () => {
  using place = makePlace({ 'posternd.toml': GATE, 'users.d/x.toml': 'services = []' });
  const configuration = { usersDirectory: place.path('users.d') };
  const load = () => loadConfiguration(place.path('posternd.toml')).users.find((user) => user.name === 'ada');
  const file = addUser(configuration, { name: 'ada', services: ['ssh', 'web'] });
  assert.equal(file, place.path('users.d/ada.toml'));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(load()?.services, ['ssh', 'web']);
  addDevice(file, { id: FIRST.id, name: 'laptop', publicKey: FIRST.key, enrolled: NOW });
  addDevice(file, { id: SECOND.id, name: 'phone', publicKey: SECOND.key, enrolled: NOW });
  assert.deepEqual(
    load()?.devices.map((device) => [device.id, device.name, device.enrolled, device.revoked]),
    [
      [FIRST.id, 'laptop', NOW, undefined],
      [SECOND.id, 'phone', NOW, undefined],
    ],
  );
  revokeDevice(file, FIRST.id, NOW);
  assert.deepEqual(
    load()?.devices.map((device) => device.revoked),
    [NOW, undefined],
  );
  revokeUser(file, NOW);
  assert.equal(load()?.revoked, NOW);
  const before = place.read('users.d/ada.toml');
  revokeDevice(file, FIRST.id, (NOW + 5e6) as UnixMicros);
  revokeUser(file, (NOW + 5e6) as UnixMicros);
  assert.equal(place.read('users.d/ada.toml'), before, 'revoked once is revoked');
  assert.equal(
    before,
    `revoked = ${ISO}
services = ["ssh", "web"]

[[devices]]
id = "${FIRST.id}"
name = "laptop"
ed25519 = "${FIRST.base64}"
revoked = ${ISO}
enrolled = ${ISO}

[[devices]]
id = "${SECOND.id}"
name = "phone"
ed25519 = "${SECOND.base64}"
enrolled = ${ISO}
`,
  );
});

test('what a person wrote stays as it was', () => {
  using place = makePlace({ 'users.d/ada.toml': USER });
  const file = place.path('users.d/ada.toml');
  chmodSync(file, 0o640);
  revokeDevice(file, FIRST.id, NOW);
  revokeUser(file, NOW);
  addDevice(file, { id: SECOND.id, name: 'phone', publicKey: SECOND.key, enrolled: NOW });
  assert.equal(
    place.read('users.d/ada.toml'),
    `# Ada, see ticket 7
revoked = ${ISO}
services = ["ssh"] # more later

[[devices]]
name = "laptop"
ed25519 = "${FIRST.base64}" # lost in May
revoked = ${ISO}

[[devices]]
id = "${SECOND.id}"
name = "phone"
ed25519 = "${SECOND.base64}"
enrolled = ${ISO}
`,
  );
  assert.equal(statSync(file).mode & 0o777, 0o640, 'permissions stay');
});

test('devices in a form that cannot be added to by lines are left alone, and the person is told what to write', () => {
  const text = `services = []\ndevices = [{ name = "a", ed25519 = "${FIRST.base64}" }]\n`;
  using place = makePlace({ 'ada.toml': text });
  const file = place.path('ada.toml');
  const tell = (expected: RegExp) => (error: unknown) =>
    error instanceof PersonError && expected.test(error.hint ?? '');
  assert.throws(
    () => {
      addDevice(file, { id: SECOND.id, name: 'b', publicKey: SECOND.key, enrolled: NOW });
    },
    tell(/write by hand, each part on a line.*\[\[devices\]\] · id = /),
  );
  assert.throws(
    () => {
      revokeDevice(file, FIRST.id, NOW);
    },
    tell(/write by hand, to the device .*: revoked = /),
  );
  assert.equal(place.read('ada.toml'), text);
  revokeUser(file, NOW);
  assert.equal(place.read('ada.toml'), `revoked = ${ISO}\n${text}`);
});

test('a device that is not there, a user that is, and names that are none, are refused', () => {
  using place = makePlace({ 'users.d/ada.toml': USER });
  const configuration = { usersDirectory: place.path('users.d') };
  assert.throws(() => {
    revokeDevice(place.path('users.d/ada.toml'), SECOND.id, NOW);
  }, /there is no device .* any more/);
  assert.throws(() => addUser(configuration, { name: 'ada', services: [] }), /ada\.toml: exists already/);
  for (const name of ['', '../evil', '.hidden', 'a/b', 'a b', 'ä', 'x'.repeat(65), 'a\0b']) {
    assert.throws(
      () => addUser(configuration, { name, services: [] }),
      /cannot be a user's name/,
      JSON.stringify(name),
    );
  }
  assert.equal(place.read('users.d/ada.toml'), USER);
});

test('an atomic write keeps a symbolic link, leaves no draft, and refuses what it cannot write', () => {
  using place = makePlace({ 'real/file': 'old' });
  symlinkSync('real/file', place.path('link'));
  writeAtomically(place.path('link'), 'new');
  assert.equal(readlinkSync(place.path('link')), 'real/file');
  assert.ok(lstatSync(place.path('link')).isSymbolicLink());
  assert.equal(place.read('real/file'), 'new');
  assert.deepEqual(readdirSync(join(place.directory, 'real')), ['file']);
  assert.throws(
    () => {
      writeAtomically(place.path('none/file'), 'x');
    },
    (error: unknown) => error instanceof PersonError && error.hint === 'its directory does not exist',
  );
  assert.throws(() => {
    writeAtomically(place.path('real/file'), 'x', { fresh: true });
  }, /exists already/);
  assert.equal(place.read('real/file'), 'new');
});
