import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { type PersonError } from '@postern/terminal';
import { loadConfiguration } from '../load.ts';
import { makePlace, type Place } from '../testing.ts';
import { EXAMPLES } from './examples.fixture.ts';
import { formatFwknop, keysOf } from './format.ts';
import { formatFwknopKeys } from './keys-file.ts';
import { fwknopOf, importFwknop, knockPortOf } from './load.ts';
import type { Fwknop } from './model.ts';

const NATIVE = { file: '/etc/postern/posternd.toml', port: 62_201, fwknop: undefined };

/** What is imported, read as native configuration. */
function imported(place: Place): Fwknop | undefined {
  const all = importFwknop(place.directory);
  using native = makePlace({
    'posternd.toml': formatFwknop(all, place.directory, [{ name: 'ssh', ports: ['tcp/22'] }]),
    'fwknop.keys': formatFwknopKeys(keysOf(all.sources)),
  });
  return loadConfiguration(native.path('posternd.toml')).fwknop;
}

for (const [name, files] of Object.entries(EXAMPLES)) {
  test(`${name}: run straight from the directory and imported it means the same`, () => {
    using place = makePlace(files);
    const run = fwknopOf(place.directory, NATIVE);
    assert.ok(run.stanzas.length >= 3);
    assert.deepEqual(imported(place), run);
  });
}

const shown = ({ stanzas }: Fwknop, ...keys: readonly (keyof Fwknop['stanzas'][number])[]): unknown =>
  stanzas.map((stanza) => keys.map((key) => stanza[key]));

test('a team: who, from where, with what', () => {
  using place = makePlace(EXAMPLES['a team']);
  const run = fwknopOf(place.directory, NATIVE);
  assert.deepEqual(
    [run.hear, run.maxAge, run.natNames, run.budget],
    [[{ protocol: 'udp', first: 62_201, last: 62_201 }], 60, true, true],
  );
  assert.deepEqual(shown(run, 'name', 'requireUser', 'seconds', 'maxSeconds', 'requireSourceAddress'), [
    ['ada', 'ada', 60, 600, true],
    ['bob', 'bob', 30, 300, true],
    ['stanza-3', undefined, 30, 300, false],
  ]);
  const [ada, bob, laptop] = run.stanzas;
  assert.deepEqual([ada?.cipher.kind, ada?.hmac?.digest, ada?.sources.length], ['symmetric', 'sha256', 2]);
  assert.deepEqual([bob?.cipher.kind === 'symmetric' && bob.cipher.mode, bob?.hmac?.digest], ['ctr', 'sha512']);
  assert.deepEqual(
    [bob?.openPorts, bob?.restrictPorts],
    [[{ protocol: 'tcp', port: 22 }], [{ protocol: 'tcp', port: 8443 }]],
  );
  assert.equal(bob?.expires, new Date(2037, 11, 31).getTime() * 1000);
  assert.equal(laptop?.expires, 1_893_456_000_000_000);
  assert.deepEqual([laptop.openPorts, laptop.destinations?.length], [undefined, 1]);
  assert.equal(Buffer.from(laptop.hmac?.key ?? []).toString(), 'laptop'.padEnd(64, '-'));
});

test('a gateway: every stanza of a folder, where it leads, and how old a packet may be', () => {
  using place = makePlace(EXAMPLES['a gateway']);
  const run = fwknopOf(place.directory, NATIVE);
  assert.deepEqual(
    [run.hear, run.maxAge, run.natNames],
    [[{ protocol: 'udp', first: 20_000, last: 30_000 }, { protocol: 'icmp' }], undefined, false],
  );
  const nat = { forward: true, local: true, masquerade: true };
  const ten = new Uint8Array([...new Uint8Array(10), 255, 255, 10, 0, 3, 7]);
  assert.deepEqual(shown(run, 'name', 'nat'), [
    ['stanza-1', { ...nat, force: { address: ten, port: 22 } }],
    ['stanza-2', { ...nat, force: undefined }],
    ['stanza-3', { ...nat, force: undefined }],
  ]);
  assert.equal(run.stanzas[2]?.hmac, undefined);
  assert.equal(run.stanzas[1]?.seconds, 86_400);
});

test('automation: commands, cycles, and gpg beside a key', () => {
  using place = makePlace(EXAMPLES['automation']);
  const run = fwknopOf(place.directory, NATIVE);
  assert.deepEqual(shown(run, 'name', 'commandUser', 'commandPrefix', 'cycleUser'), [
    ['set-keeper', undefined, [], 'root'],
    ['backup', 'backup', [], 'nobody'],
    ['stanza-3', undefined, [], 'nobody'],
    ['stanza-3-gpg', undefined, [], 'nobody'],
    ['stanza-4', undefined, [], 'nobody'],
  ]);
  assert.deepEqual(run.stanzas[0]?.cycle, {
    open: ['/usr/sbin/ipset', 'add', 'friends', '{source}', 'timeout', '{client_timeout}', '-exist'],
    close: [
      '/usr/sbin/ipset',
      'del',
      'friends',
      '{source}',
      '{packet_source} {destination}',
      '{protocol}/{port}@{timeout}',
    ],
    closeAfter: 90,
  });
  const [gpg, unsigned] = run.stanzas.slice(3).map(({ cipher }) => (cipher.kind === 'gpg' ? cipher : undefined));
  assert.equal(Buffer.from(gpg?.passphrase ?? []).toString(), 'open "sesame" \\o/ ü');
  assert.deepEqual(gpg?.signers, [
    '1234ABCD',
    '00112233445566778899AABBCCDDEEFF00112233',
    'FFEEDDCCBBAA99887766554433221100FFEEDDCC',
  ]);
  assert.deepEqual(
    [gpg.home, unsigned?.home, unsigned?.signers, unsigned?.passphrase],
    ['/var/lib/fwknop/.gnupg', '/srv/keyring', undefined, undefined],
  );
  assert.equal(run.hear.length, 1);
  assert.equal(knockPortOf(importFwknop(place.directory)), 40_001);
});

/** What Debian's package brings says: all of fwknopd.conf is commented out, and the only stanza has no keys yet. */
const FRESH = {
  'fwknopd.conf': '#PCAP_INTF   eth0;\n#PCAP_FILTER   udp port 62201;\n',
  'access.conf':
    '#OPEN_PORTS   tcp/22;\n\nSOURCE              ANY\nKEY_BASE64          __CHANGEME__\nHMAC_KEY_BASE64     __CHANGEME__\n',
};

test('a new installation: the stanza without keys is left out loudly, and with keys it runs', () => {
  using place = makePlace(FRESH);
  const left: PersonError[] = [];
  const run = fwknopOf(place.directory, NATIVE, (error) => left.push(error));
  assert.deepEqual([run.stanzas.length, run.hear.length], [0, 1]);
  assert.deepEqual(
    left.map(({ message }) => message),
    [`${place.path('access.conf')}:4: stanza-1: KEY_BASE64: no key was put into its place yet`],
  );
  // A reload has no one to tell: it refuses.
  assert.throws(() => fwknopOf(place.directory, NATIVE), /access\.conf:4: stanza-1: KEY_BASE64/);
  place.write('access.conf', FRESH['access.conf'].replace('__CHANGEME__', 'AAAA').replace('__CHANGEME__', 'BBBB'));
  assert.deepEqual(shown(fwknopOf(place.directory, NATIVE), 'name', 'openPorts'), [['stanza-1', undefined]]);
});

test('keys that others can read are not read, included ones neither', () => {
  using place = makePlace({
    'fwknopd.conf': '',
    'access.conf': 'SOURCE ANY\nKEY_BASE64 AAAA\n%include_keys k\n',
    k: 'HMAC_KEY_BASE64 BBBB\n',
  });
  place.write('k', place.read('k'), 0o640);
  assert.throws(
    () => fwknopOf(place.directory, NATIVE),
    /access\.conf:3: stanza-1: %include_keys: .*open to its group/,
  );
  place.write('access.conf', place.read('access.conf'), 0o644);
  assert.throws(
    () => fwknopOf(place.directory, NATIVE),
    /access\.conf: the secret keys are open to everybody \(mode 0644\)/,
  );
});

test('a filter that cannot be said here is told of, and nothing is heard for it', () => {
  using place = makePlace({ ...EXAMPLES['a team'], 'fwknopd.conf': 'PCAP_FILTER udp port 5 and host h;\n' });
  const left: PersonError[] = [];
  assert.deepEqual(fwknopOf(place.directory, NATIVE, (error) => left.push(error)).hear, []);
  assert.match(left[0]?.message ?? '', /fwknopd\.conf:1: PCAP_FILTER: it cannot be said here/);
});

test('the directory and [fwknop] in posternd.toml exclude each other', () => {
  using place = makePlace(EXAMPLES['a team']);
  const fwknop = fwknopOf(place.directory, NATIVE);
  assert.throws(() => fwknopOf(place.directory, { ...NATIVE, fwknop }), /there is \[fwknop\] in it/);
});

test('an empty folder, a missing directory, and what is no UTF-8 are said', () => {
  using place = makePlace({ 'fwknopd.conf': 'ACCESS_FOLDER access.d;\n', 'access.d/x': '' });
  assert.throws(() => importFwknop(place.directory), /access\.d: no file there ends with \.conf/);
  assert.throws(() => importFwknop(place.path('none')), /none\/fwknopd\.conf: does not exist/);
  place.write('fwknopd.conf', '');
  place.write('access.conf', new Uint8Array([...Buffer.from('SOURCE ANY\nKEY '), 0xff, 0x0a]));
  assert.throws(() => importFwknop(place.directory), /access\.conf: is not UTF-8 text/);
});

test('no key is in the model as it is shown, in a report, or in the native text', () => {
  for (const files of Object.values(EXAMPLES)) {
    using place = makePlace(files);
    const all = importFwknop(place.directory);
    const texts = [
      inspect(fwknopOf(place.directory, NATIVE), { depth: 9 }),
      JSON.stringify(fwknopOf(place.directory, NATIVE)),
      inspect(all, { depth: 9 }),
      JSON.stringify(all),
      formatFwknop(all, place.directory, []),
    ];
    const keys = all.sources.flatMap(({ stanzas }) =>
      stanzas.flatMap((stanza) =>
        [stanza.keys.key, stanza.keys.hmacKey, stanza.keys.passphrase].flatMap((it) => it ?? []),
      ),
    );
    assert.ok(keys.length > 3);
    for (const key of keys) {
      const bytes = Buffer.from(key.reveal());
      for (const text of texts)
        for (const form of ['utf8', 'base64', 'hex'] as const) assert.ok(!text.includes(bytes.toString(form)), form);
    }
  }
});
