import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { deviceIdOf, formatPrefix, parseAddress } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { loadConfiguration, loadGate, loadUser } from './load.ts';
import { ONCE_SECONDS } from '../firewall/port.ts';
import { encodeKey } from './schema.ts';
import { makePlace, makePublicKey } from './testing.ts';

const KEY = encodeKey(makePublicKey());
const OTHER = encodeKey(makePublicKey());
const SSH = '[services.ssh]\nports = ["tcp/22"]\n';

function failure(files: Readonly<Record<string, string>>): PersonError {
  using place = makePlace(files);
  try {
    loadConfiguration(place.path('posternd.toml'));
  } catch (error) {
    if (!(error instanceof PersonError)) throw error;
    return new PersonError(error.message.replaceAll(`${place.directory}/`, ''), {
      hint: error.hint?.replaceAll(`${place.directory}/`, ''),
      exitCode: error.exitCode,
    });
  }
  return assert.fail(`was accepted: ${JSON.stringify(files)}`);
}

/** What stands under {@link SSH}; the expected message; what the hint must say. */
const FORWARDS: readonly (readonly [string, string, RegExp])[] = [
  [
    'forward = "web.example.org"',
    '3:1: services.ssh.forward: an address such as "10.0.3.7", "10.0.3.7:443" or "[fd00::7]:443" is expected, but "web.example.org" came',
    /not looked up/,
  ],
  [
    'forward = ["10.0.3.7", "10.0.3.7:"]',
    '3:24: services.ssh.forward: an address such as "10.0.3.7", "10.0.3.7:443" or "[fd00::7]:443" is expected, but "10.0.3.7:" came',
    /IPv4 and one for IPv6/,
  ],
  [
    'forward = 443',
    '3:1: services.ssh.forward: an address such as "10.0.3.7", "10.0.3.7:443" or "[fd00::7]:443" is expected, but 443 came',
    /^$/,
  ],
  [
    'forward = []',
    '3:1: services.ssh.forward: an address such as "10.0.3.7", "10.0.3.7:443" or "[fd00::7]:443" is expected, but an empty list came',
    /^$/,
  ],
  ['forward = ["10.0.3.7", "10.0.3.8"]', '3:24: services.ssh.forward: 10.0.3.8 is the second of IPv4', /each family/],
  ['forward = "127.0.0.1:22"', '3:1: services.ssh.forward: 127.0.0.1:22 is this host itself', /needs no `forward`/],
  ['forward = "[::1]"', '3:1: services.ssh.forward: [::1] is this host itself', /needs no `forward`/],
  ['forward = "0.0.0.0"', '3:1: services.ssh.forward: 0.0.0.0 is no address of a host', /needs no `forward`/],
  ['forward = "ff02::1"', '3:1: services.ssh.forward: ff02::1 is not the address of one host', /needs no `forward`/],
  [
    'forward = "[fe80::7]:22"',
    '3:1: services.ssh.forward: [fe80::7]:22 is valid on one link only, and no link is named',
    /needs no `forward`/,
  ],
  [
    '[services.web]\nports = ["tcp/80", "tcp/443"]\nforward = "10.0.3.7:443"',
    '5:1: services.web.forward: 10.0.3.7:443 has one port, but the service has several',
    /leave the port out/,
  ],
  ['masquerade = true', '3:1: services.ssh.masquerade: the service is not forwarded', /forward = "10\.0\.3\.7"/],
];

/** posternd.toml, or [file of users.d, its text]; the expected message; what the hint must say. */
const BAD: readonly (readonly [gate: string, user: string | undefined, message: string, hint?: RegExp])[] = [
  ['[gate\nport = 1', undefined, 'posternd.toml:1:6: illegal character in key', /reads: \[gate$/],
  ['[gate]\nport = 62201\nname = "x\n', undefined, 'posternd.toml:3:10: control characters are not allowed in strings'],
  [
    '[gate]\nport = tcp',
    undefined,
    'posternd.toml:2:8: a value is expected here (text stands in quotes)',
    /port = tcp/,
  ],
  [
    '[services.ssh]\nports = ["tcp/22"]\n[services.ssh]\nports = ["tcp/23"]',
    undefined,
    'posternd.toml:3:2: this table or key stands above already',
  ],
  [
    '[services.constructor]\nports = ["tcp/22"]',
    undefined,
    'posternd.toml:1:2: this name cannot be used for a table or key',
  ],
  ['[gate]\nprot = 62201', undefined, 'posternd.toml:2:1: unknown key `gate.prot`', /^did you mean `port`\?$/],
  ['[gate]\nzzzzzz = 1', undefined, 'posternd.toml:2:1: unknown key `gate.zzzzzz`', /^known here are: name, port, /],
  ['[gat]\n', undefined, 'posternd.toml:1:2: unknown key `gat`', /did you mean `gate`/],
  [
    '[service.ssh]\nports = ["tcp/22"]',
    undefined,
    'posternd.toml:1:2: unknown key `service`',
    /did you mean `services`/,
  ],
  [
    '[services.ssh]\nport = ["tcp/22"]',
    undefined,
    'posternd.toml:2:1: unknown key `services.ssh.port`',
    /^did you mean `ports`\?$/,
  ],
  ['[services.ssh]\nprots = ["tcp/22"]', undefined, 'posternd.toml:2:1: unknown key `services.ssh.prots`', /`ports`/],
  [
    '[services.ssh]\nzzzzz = 1',
    undefined,
    'posternd.toml:1:11: services.ssh: `ports` is missing',
    /ports = \["tcp\/22"\]/,
  ],
  ...FORWARDS.map(([text, message, hint]) => [`${SSH}${text}`, undefined, `posternd.toml:${message}`, hint] as const),
  [
    '[services.ssh]\nports = ["tcp/22"]\nsingleuse = true',
    undefined,
    'posternd.toml:3:1: unknown key `services.ssh.singleuse`',
    /`single_use`/,
  ],
  [
    `${SSH}single_use = true\nmax_seconds = ${String(ONCE_SECONDS + 1)}`,
    undefined,
    `posternd.toml:4:1: services.ssh.max_seconds: a whole number from 1 to ${String(ONCE_SECONDS)} is expected, but ${String(ONCE_SECONDS + 1)} came`,
  ],
  ['[services.ssh]\nseconds = 30', undefined, 'posternd.toml:1:11: services.ssh: `ports` is missing'],
  [
    '[services.ssh]\nports = []',
    undefined,
    'posternd.toml:2:1: services.ssh.ports: at least one port, such as ["tcp/22"], is expected, but an empty list came',
  ],
  [
    '[services.ssh]\nports = 22',
    undefined,
    'posternd.toml:2:1: services.ssh.ports: a list of ports, such as ["tcp/22"], is expected, but 22 came',
  ],
  [
    '[services.ssh]\nports = [\n  "tcp/22",\n  "tcp/70000",\n]',
    undefined,
    'posternd.toml:4:3: services.ssh.ports[2]: a port such as "tcp/22" or "udp/51820" (1 to 65535, each port by itself) is expected, but "tcp/70000" came',
  ],
  [
    '[services.ssh]\nports = ["tcp/0"]',
    undefined,
    'posternd.toml:2:10: services.ssh.ports[1]: a port such as "tcp/22" or "udp/51820" (1 to 65535, each port by itself) is expected, but "tcp/0" came',
  ],
  [
    '[services.ssh]\nports = ["tcp/22-30"]',
    undefined,
    'posternd.toml:2:10: services.ssh.ports[1]: a port such as "tcp/22" or "udp/51820" (1 to 65535, each port by itself) is expected, but "tcp/22-30" came',
  ],
  [
    '[services.ssh]\nports = ["tcp/22", "tcp/22"]',
    undefined,
    'posternd.toml:2:20: services.ssh.ports: tcp/22 is listed twice',
  ],
  [
    `${SSH}[services.sftp]\nports = ["tcp/22"]`,
    undefined,
    'posternd.toml:4:10: services.sftp.ports: tcp/22 belongs to the service ssh already',
  ],
  [
    '[services.wg]\nports = ["udp/62201"]',
    undefined,
    'posternd.toml:2:10: services.wg.ports: udp/62201 is where knocks arrive',
    /gate\.port/,
  ],
  [
    '[services.SSH]\nports = ["tcp/22"]',
    undefined,
    'posternd.toml:1:11: services.SSH: a service name of 1 to 32 characters of a-z, 0-9 and hyphen is expected, but "SSH" came',
  ],
  ['services = 1', undefined, 'posternd.toml:1:1: services: tables, such as [services.ssh], are expected, but 1 came'],
  ['gate = 1', undefined, 'posternd.toml:1:1: gate: a table, [gate], is expected, but 1 came'],
  [
    `${SSH}seconds = 0`,
    undefined,
    'posternd.toml:3:1: services.ssh.seconds: a whole number from 1 to 86400 is expected, but 0 came',
  ],
  [
    `${SSH}seconds = 1.5`,
    undefined,
    'posternd.toml:3:1: services.ssh.seconds: a whole number from 1 to 86400 is expected, but 1.5 came',
  ],
  [
    `${SSH}seconds = "30s"`,
    undefined,
    'posternd.toml:3:1: services.ssh.seconds: a whole number from 1 to 86400 is expected, but "30s" came',
  ],
  [
    `${SSH}seconds = 60\nmax_seconds = 30`,
    undefined,
    'posternd.toml:3:1: services.ssh.seconds: 60 is more than max_seconds, 30',
  ],
  [
    `${SSH}single_use = "yes"`,
    undefined,
    'posternd.toml:3:1: services.ssh.single_use: true or false (without quotes) is expected, but "yes" came',
  ],
  [
    `${SSH}prefix4 = 0`,
    undefined,
    'posternd.toml:3:1: services.ssh.prefix4: a whole number from 8 to 32 is expected, but 0 came',
  ],
  [
    '[gate]\nport = 65536',
    undefined,
    'posternd.toml:2:1: gate.port: a whole number from 1 to 65535 is expected, but 65536 came',
  ],
  [
    '[gate]\naddresses = ["not an address"]',
    undefined,
    'posternd.toml:2:14: gate.addresses[1]: a host name or an address is expected, but "not an address" came',
  ],
  [
    '[gate]\ncapture = "pcap"',
    undefined,
    'posternd.toml:2:1: gate.capture: "packet" or "dgram" is expected, but "pcap" came',
  ],
  ['[gate]\npq = true', undefined, 'posternd.toml:2:1: gate.pq: "off" or "required" is expected, but true came'],
  [
    '[gate]\nsentry_user = "root"',
    undefined,
    'posternd.toml:2:1: gate.sentry_user: the name of a system user other than root is expected, but "root" came',
  ],
  [
    '[gate]\nstate = "state"',
    undefined,
    'posternd.toml:2:1: gate.state: an absolute path is expected, but "state" came',
  ],
  [
    `[gate]\nsocket = "/${'s'.repeat(120)}"`,
    undefined,
    `posternd.toml:2:1: gate.socket: a path of at most 107 bytes is expected for a socket, but "/${'s'.repeat(77)}… came`,
  ],
  [
    `[gate]\nname = "${'n'.repeat(65)}"`,
    undefined,
    `posternd.toml:2:1: gate.name: a name of 1 to 64 letters, digits, dots, underscores or hyphens is expected, but "${'n'.repeat(65)}" came`,
  ],
  [SSH, 'services = ["shs"]', 'users.d/ada.toml:1:13: services: there is no service "shs"', /did you mean "ssh"/],
  [
    SSH,
    'services = ["web-server"]',
    'users.d/ada.toml:1:13: services: there is no service "web-server"',
    /^there are: ssh$/,
  ],
  ['', 'services = ["ssh"]', 'users.d/ada.toml:1:13: services: there is no service "ssh"', /^there is no service yet$/],
  [SSH, '', 'users.d/ada.toml:1:1: `services` is missing', /services = \["ssh"\]/],
  [
    SSH,
    'services = ["ssh"]\nfrom = ["10.0.0.0/33"]',
    'users.d/ada.toml:2:9: from[1]: an address or a block without bits after its prefix, such as "203.0.113.0/24", is expected, but "10.0.0.0/33" came',
  ],
  [
    SSH,
    'services = ["ssh"]\nfrom = ["10.0.0.1/8"]',
    'users.d/ada.toml:2:9: from[1]: an address or a block without bits after its prefix, such as "203.0.113.0/24", is expected, but "10.0.0.1/8" came',
  ],
  [
    SSH,
    'services = ["ssh"]\nfrom = []',
    'users.d/ada.toml:2:1: from: at least one block is expected (leave `from` out to allow every source), but an empty list came',
  ],
  [
    SSH,
    'services = ["ssh"]\nexpires = "tomorrow"',
    'users.d/ada.toml:2:1: expires: a date and time with its zone, such as 2027-01-31T18:00:00Z (without quotes), is expected, but "tomorrow" came',
  ],
  [
    SSH,
    'services = ["ssh"]\nexpires = 2027-01-31',
    'users.d/ada.toml:2:1: expires: a date and time with its zone, such as 2027-01-31T18:00:00Z (without quotes), is expected, but 2027-01-31 came',
  ],
  [
    SSH,
    'services = ["ssh"]\nexpires = 2027-01-31T18:00:00',
    'users.d/ada.toml:2:1: expires: a date and time with its zone, such as 2027-01-31T18:00:00Z (without quotes), is expected, but 2027-01-31T18:00:00.000 came',
  ],
  [SSH, 'services = ["ssh"]\nmax_second = 5', 'users.d/ada.toml:2:1: unknown key `max_second`', /max_seconds/],
  [
    SSH,
    `services = ["ssh"]\n[[devices]]\nname = "a"\ned25519 = "${KEY}"\nid = "${'0'.repeat(32)}"`,
    `users.d/ada.toml:5:1: devices[1].id: this key's id is ${deviceIdOf(Buffer.from(KEY, 'base64'))}, but ${'0'.repeat(32)} came`,
    /slip/,
  ],
  [SSH, `services = ["ssh"]\n[[devices]]\ned25519 = "${KEY}"`, 'users.d/ada.toml:2:3: devices[1]: `name` is missing'],
  [
    SSH,
    `services = ["ssh"]\n[[devices]]\nname = "a"\ned25519 = "${KEY.slice(1)}"`,
    `users.d/ada.toml:4:1: devices[1].ed25519: an Ed25519 public key in base64 (44 characters) is expected, but "${KEY.slice(1)}" came`,
  ],
  [
    SSH,
    `services = ["ssh"]\n[[devices]]\nname = "a"\ned25519 = "${'A'.repeat(43)}="`,
    `users.d/ada.toml:4:1: devices[1].ed25519: an Ed25519 public key in base64 (44 characters) is expected, but "${'A'.repeat(43)}=" came`,
  ],
  [
    SSH,
    `services = ["ssh"]\n[[devices]]\nname = "a"\ned25519 = "${KEY}"\n[[devices]]\nname = "b"\ned25519 = "${KEY}"`,
    'users.d/ada.toml:7:1: devices[2]: this key is listed before in this file',
    /one device/,
  ],
  [
    SSH,
    `services = ["ssh"]\n[[devices]]\nname = "a"\ned25519 = "${KEY}"\nkind = 1`,
    'users.d/ada.toml:5:1: unknown key `devices[1].kind`',
    /^did you mean `id`|known here are: id, name, ed25519/,
  ],
];

for (const [gate, user, message, hint] of BAD) {
  test(`refused: ${message.slice(0, 110)}`, () => {
    const error = failure({ 'posternd.toml': gate, ...(user === undefined ? {} : { 'users.d/ada.toml': user }) });
    assert.equal(error.message, message);
    assert.equal(error.exitCode, EXIT.configuration);
    assert.ok(!error.message.includes('\n'), 'one line');
    if (hint !== undefined) assert.match(error.hint ?? '', hint);
  });
}

test('one public key belongs to one user', () => {
  const device = `services = ["ssh"]\n[[devices]]\nname = "a"\ned25519 = "${KEY}"\n`;
  const error = failure({ 'posternd.toml': SSH, 'users.d/ada.toml': device, 'users.d/bob.toml': device });
  assert.equal(error.message, "users.d/bob.toml:4:1: devices[1]: this key is ada's already (users.d/ada.toml)");
});

test('a file in users.d that is not named after a user is refused; what is no .toml file is passed over', () => {
  const user = 'services = []\n';
  assert.match(
    failure({ 'posternd.toml': '', 'users.d/a b.toml': user }).message,
    /users\.d\/a b\.toml: is not named after a user/,
  );
  using place = makePlace({
    'posternd.toml': '',
    'users.d/.ada.toml.swp': 'x',
    'users.d/.b.toml': 'x',
    'users.d/README': 'x',
    'users.d/ada.toml~': 'x',
    'users.d/ada.toml': user,
  });
  assert.deepEqual(
    loadConfiguration(place.path('posternd.toml')).users.map((it) => it.name),
    ['ada'],
  );
});

test('a file that is missing, a directory, binary or unreadable is one clear line', (context) => {
  using place = makePlace({ 'posternd.toml': '' });
  assert.throws(() => loadConfiguration(place.path('none.toml')), {
    message: `${place.path('none.toml')}: does not exist`,
    hint: /posternd init/,
  });
  mkdirSync(place.path('directory.toml'));
  assert.throws(() => loadConfiguration(place.path('directory.toml')), /directory\.toml: is a directory/);
  place.write('users.d', '');
  assert.throws(() => loadConfiguration(place.path('posternd.toml')), /users\.d: is below something|users\.d: is /);
  using latin = makePlace({ 'posternd.toml': '' });
  latin.write('users.d/ada.toml', Uint8Array.of(0x23, 0xff, 0xfe, 0x0a));
  assert.throws(() => loadConfiguration(latin.path('posternd.toml')), /ada\.toml: is not UTF-8 text/);
  if (process.getuid?.() === 0) {
    context.diagnostic('not tried: root reads every file, so none is unreadable');
    return;
  }
  const file = latin.write('posternd.toml', '', 0);
  assert.throws(() => loadConfiguration(file), { hint: 'run the command as root' });
});

test('everything left out has its default', () => {
  using place = makePlace({ 'posternd.toml': SSH });
  const it = loadConfiguration(place.path('posternd.toml'));
  assert.deepEqual(
    { ...it, name: '', sentryUser: '' },
    {
      file: place.path('posternd.toml'),
      keyFile: place.path('gate.key'),
      usersDirectory: place.path('users.d'),
      name: '',
      port: 62201,
      addresses: [],
      capture: 'packet',
      pq: 'off',
      sentryUser: '',
      stateDirectory: '/var/lib/postern',
      socket: '/run/postern/posternd.sock',
      dark: false,
      allow: [],
      trust: [],
      services: [
        {
          name: 'ssh',
          endpoints: [{ protocol: 'tcp', port: 22 }],
          seconds: 30,
          maxSeconds: 30,
          singleUse: false,
          observedSource: false,
          prefix4: 32,
          prefix6: 128,
          protect: false,
          keyed: false,
        },
      ],
      doors: [],
      fwknop: undefined,
      users: [],
    },
  );
  assert.match(it.name, /^[A-Za-z0-9][A-Za-z0-9._-]*$/);
  assert.match(it.sentryUser, /^(postern|nobody)$/);
});

test('a service lives behind the gate at one address of each family, at its own ports or at another', () => {
  using place = makePlace({
    'posternd.toml': `
[services.web]
ports = ["tcp/80", "tcp/443"]
forward = "10.0.3.7"
[services.ssh]
ports = ["tcp/2222"]
forward = ["[fd00::7]:22", "10.0.3.7:22"]
masquerade = true
[services.dns]
ports = ["tcp/53", "udp/53"]
forward = "fd00::7"
`,
  });
  const at = (text: string): Uint8Array | undefined => parseAddress(text);
  const { services } = loadConfiguration(place.path('posternd.toml'));
  assert.deepEqual(
    services.map(({ forward }) => forward),
    [
      { 4: { address: at('10.0.3.7'), port: undefined, masquerade: false } },
      {
        4: { address: at('10.0.3.7'), port: 22, masquerade: true },
        6: { address: at('fd00::7'), port: 22, masquerade: true },
      },
      { 6: { address: at('fd00::7'), port: undefined, masquerade: false } },
    ],
  );
});

test('everything that can be said is read', () => {
  using place = makePlace({
    'posternd.toml': `
[gate]
name = "myhost"
port = 4711
addresses = ["203.0.113.5", "2001:db8::5", "gate.example.org"]
capture = "dgram"
pq = "required"
sentry_user = "sentry"
state = "/srv/postern"
socket = "/srv/postern.sock"
[services.web]
ports = ["tcp/80", "udp/443"]
seconds = 60
max_seconds = 3600
single_use = true
observed_source = true
prefix4 = 24
prefix6 = 56
protect = true
keyed = true
[services.ssh]
ports = ["tcp/22"]
max_seconds = 20
`,
    'users.d/ada.toml': `
services = ["ssh", "web"]
from = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]
max_seconds = 10
expires = 2027-01-31T18:00:00+01:00
revoked = 2027-01-30T00:00:00Z
[[devices]]
name = "laptop"
ed25519 = "${KEY}"
enrolled = 2026-11-22T15:00:00.125Z
[[devices]]
name = "phone"
ed25519 = "${OTHER}"
expires = 2027-01-01T00:00:00Z
revoked = 2026-12-01T00:00:00Z
`,
  });
  const it = loadConfiguration(place.path('posternd.toml'));
  assert.deepEqual(
    [it.name, it.port, it.capture, it.pq, it.sentryUser, it.stateDirectory, it.socket],
    ['myhost', 4711, 'dgram', 'required', 'sentry', '/srv/postern', '/srv/postern.sock'],
  );
  assert.deepEqual(it.addresses, ['203.0.113.5', '2001:db8::5', 'gate.example.org']);
  const [web, ssh] = it.services;
  assert.deepEqual(web, {
    name: 'web',
    endpoints: [
      { protocol: 'tcp', port: 80 },
      { protocol: 'udp', port: 443 },
    ],
    seconds: 60,
    maxSeconds: 3600,
    singleUse: true,
    observedSource: true,
    prefix4: 24,
    prefix6: 56,
    protect: true,
    keyed: true,
  });
  assert.deepEqual([ssh?.seconds, ssh?.maxSeconds], [20, 20]);
  const [ada] = it.users;
  assert.ok(ada);
  assert.deepEqual(
    [ada.name, ada.file, ada.services, ada.maxSeconds],
    ['ada', place.path('users.d/ada.toml'), ['ssh', 'web'], 10],
  );
  assert.deepEqual(ada.from?.map(formatPrefix), ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1']);
  assert.deepEqual([ada.expires, ada.revoked], [Date.UTC(2027, 0, 31, 17) * 1000, Date.UTC(2027, 0, 30) * 1000]);
  const [laptop, phone] = ada.devices;
  assert.deepEqual(laptop, {
    id: deviceIdOf(Buffer.from(KEY, 'base64')),
    name: 'laptop',
    publicKey: new Uint8Array(Buffer.from(KEY, 'base64')),
    enrolled: (Date.UTC(2026, 10, 22, 15) + 125) * 1000,
    expires: undefined,
    revoked: undefined,
  });
  assert.deepEqual([phone?.expires, phone?.revoked], [Date.UTC(2027, 0, 1) * 1000, Date.UTC(2026, 11, 1) * 1000]);
  assert.deepEqual(loadUser(ada.file, it.services), ada);
  const { users, ...gate } = it;
  assert.equal(users.length, 1);
  assert.deepEqual(loadGate(place.path('posternd.toml')), gate);
});
