import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TomlDate } from 'smol-toml';
import { PersonError } from '@postern/terminal';
import { loadConfiguration, readGate } from '../load.ts';
import { Secret } from '../secret.ts';
import { makePlace } from '../testing.ts';
import { parseToml } from '../toml-file.ts';
import { tableText } from '../toml-text.ts';
import { formatFwknop } from './format.ts';
import { formatFwknopKeys, parseFwknopKeys, stanzaKeys, type StanzaKeys } from './keys-file.ts';
import type { Fwknop } from './model.ts';
import { readFwknop } from './read.ts';
import { DIGEST_NAMES, MODE_NAMES, MOST_SECONDS, type FwknopTable, type StanzaTable } from './schema.ts';

const KEYS = '[a]\nkey = "AAAA"\nhmac_key = "BBBB"\n';
const STANZA = '[fwknop.stanzas.a]\nsource = ["any"]\n';

function read(toml: string, keys = KEYS): Fwknop | undefined {
  using place = makePlace({ 'posternd.toml': toml, 'fwknop.keys': keys });
  return loadConfiguration(place.path('posternd.toml')).fwknop;
}

test('what is not said is as safe as it can be', () => {
  const all = read(STANZA);
  assert.deepEqual(
    [all?.hear, all?.maxAge, all?.natNames, all?.budget],
    [[{ protocol: 'udp', first: 62_201, last: 62_201 }], 120, false, true],
  );
  const [{ sources, cipher, hmac, ...rest }] = (all?.stanzas ?? []) as [Fwknop['stanzas'][number]];
  assert.deepEqual(
    sources.map(({ family, prefix }) => [family, prefix]),
    [
      [4, 0],
      [6, 0],
    ],
  );
  assert.deepEqual([cipher.kind === 'symmetric' && cipher.mode, hmac?.digest], ['cbc', 'sha256']);
  assert.deepEqual(rest, {
    ...{ name: 'a', destinations: undefined, openPorts: undefined, restrictPorts: [], seconds: 30, maxSeconds: 300 },
    ...{ requireSourceAddress: true, requireUser: undefined, expires: undefined, singleUse: false },
    ...{ commandUser: undefined, commandPrefix: [], timeLimit: 10, cycle: undefined, cycleUser: 'nobody' },
    nat: { forward: false, local: false, force: undefined, masquerade: false },
  });
});

test('packets are heard where native ones are, when nothing else is said', () => {
  assert.deepEqual(read('[gate]\nport = 53\n[fwknop]\n', '')?.hear, [{ protocol: 'udp', first: 53, last: 53 }]);
  assert.equal(read(''), undefined);
});

const GPG = 'gpg = { home = "/k", signers = ["ABCD1234"] }\n';
const HMAC_ONLY = '[a]\nhmac_key = "BBBB"\n';

for (const [name, toml, keys, says, hint] of [
  ['a slip', '[fwknop]\nhaer = ["icmp"]\n', KEYS, /posternd\.toml:2:1: unknown key `fwknop\.haer`$/, /`hear`/],
  [
    'a slip in a stanza',
    `${STANZA}open_port = ["tcp/1"]\n`,
    KEYS,
    /:3:1: unknown key `fwknop\.stanzas\.a\.open_port`$/,
    /`open_ports`/,
  ],
  [
    'a slip in a cycle',
    `${STANZA}cycle = { open = ["/x"], closed = ["/y"] }\n`,
    KEYS,
    /:3:\d+: unknown key `fwknop\.stanzas\.a\.cycle\.closed`$/,
    /`close`/,
  ],
  [
    'a slip in gpg',
    `${STANZA}gpg = { home = "/k", signer = ["ABCD1234"] }\n`,
    KEYS,
    /unknown key `fwknop\.stanzas\.a\.gpg\.signer`$/,
    /`signers`/,
  ],
  ['a place that is none', '[fwknop]\nhear = ["udp/0"]\n', KEYS, /:2:9: fwknop\.hear\[1\]: a place such as/, undefined],
  ['a place twice', '[fwknop]\nhear = ["icmp", "icmp"]\n', '', /:2:17: fwknop\.hear: icmp is listed twice$/, undefined],
  ['no source', '[fwknop.stanzas.a]\n', KEYS, /`source` is missing$/, undefined],
  [
    'any and more',
    '[fwknop.stanzas.a]\nsource = ["192.0.2.1", "any"]\n',
    KEYS,
    /:2:24: fwknop\.stanzas\.a\.source\[2\]: "any" stands alone$/,
    undefined,
  ],
  [
    'a port twice',
    `${STANZA}open_ports = ["tcp/1", "tcp/1"]\n`,
    KEYS,
    /:3:24: fwknop\.stanzas\.a\.open_ports\[2\]: tcp\/1 is listed twice$/,
    undefined,
  ],
  ['a mode that is none', `${STANZA}mode = "gcm"\n`, KEYS, /fwknop\.stanzas\.a\.mode: one of ecb, cbc/, undefined],
  [
    'a mode beside gpg',
    `${STANZA}mode = "cbc"\n${GPG}`,
    HMAC_ONLY,
    /a\.mode: packets are encrypted with a key or with gpg, not both$/,
    /two stanzas/,
  ],
  [
    'a prefix without commands',
    `${STANZA}command_prefix = ["/x"]\n`,
    KEYS,
    /a\.command_prefix: it says nothing without `command_user`$/,
    undefined,
  ],
  [
    'a time limit without commands',
    `${STANZA}time_limit = 5\n`,
    KEYS,
    /a\.time_limit: it says nothing without `command_user` or `cycle`$/,
    undefined,
  ],
  [
    'masquerade without a target',
    `${STANZA}masquerade = true\nforward = false\n`,
    KEYS,
    /a\.masquerade: it says nothing without/,
    undefined,
  ],
  [
    'close_after without close',
    `${STANZA}cycle = { open = ["/x"], close_after = 5 }\n`,
    KEYS,
    /a\.cycle\.close_after: it says nothing without `close`$/,
    undefined,
  ],
  [
    'a target without a port',
    `${STANZA}forward_to = "10.0.3.7"\n`,
    KEYS,
    /a\.forward_to: an address and a port/,
    undefined,
  ],
  ['nobody who signs', `${STANZA}gpg = { home = "/k" }\n`, HMAC_ONLY, /a\.gpg: `signers` is missing$/, /FINGERPRINT/],
  [
    'signers and none',
    `${STANZA}gpg = { home = "/k", signers = ["ABCD1234"], unsigned = true }\n`,
    HMAC_ONLY,
    /a\.gpg\.unsigned: packets are signed by `signers`, or unsigned, not both$/,
    undefined,
  ],
  [
    'a key beside gpg',
    `${STANZA}${GPG}`,
    KEYS,
    /fwknop\.keys:2:1: a: its packets are encrypted with gpg, which needs no `key`$/,
    undefined,
  ],
  ['no keys at all', STANZA, '', /fwknop\.keys:1:1: a: `key` is missing$/, /base64/],
  ['no HMAC key', STANZA, '[a]\nkey = "AAAA"\n', /fwknop\.keys:1:2: a: `hmac_key` is missing$/, /hmac = "none"/],
  [
    'an HMAC key for none',
    `${STANZA}hmac = "none"\n`,
    KEYS,
    /fwknop\.keys:3:1: a: the stanza says hmac = "none"$/,
    /one of the two/,
  ],
  [
    'the same key twice',
    STANZA,
    '[a]\nkey = "AAAA"\nhmac_key = "AAAA"\n',
    /fwknop\.keys:3:1: a: it is the same as `key`$/,
    /two keys/,
  ],
  [
    'a passphrase without gpg',
    STANZA,
    `${KEYS}passphrase = "x"\n`,
    /fwknop\.keys:4:1: a: it says nothing without `gpg`/,
    undefined,
  ],
  [
    'keys of nobody',
    STANZA,
    `${KEYS}[aa]\nkey = "AAAA"\n`,
    /fwknop\.keys:4:2: there is no stanza aa in /,
    /did you mean \[a\]\?/,
  ],
  [
    'a key of other bits',
    STANZA,
    '[a]\nkey = "AAB"\nhmac_key = "BBBB"\n',
    /fwknop\.keys:2:1: a\.key: 1 to 32 bytes in base64/,
    undefined,
  ],
  ['a slip in the keys', STANZA, '[a]\nkye = "AAAA"\n', /fwknop\.keys:2:1: unknown key `a\.kye`$/, /`key`/],
] as const) {
  test(`refused with its place: ${name}`, () => {
    assert.throws(
      () => read(toml, keys),
      (error: unknown) => {
        assert.ok(error instanceof PersonError);
        assert.match(error.message, says);
        if (hint !== undefined) assert.match(error.hint ?? '', hint);
        return true;
      },
    );
  });
}

test('keys that others can read are refused', () => {
  using place = makePlace({ 'posternd.toml': STANZA });
  place.write('fwknop.keys', KEYS, 0o644);
  assert.throws(
    () => loadConfiguration(place.path('posternd.toml')),
    /fwknop\.keys: the secret keys are open to everybody/,
  );
});

test('no error about the keys has a part of one in it', () => {
  for (const keys of [
    '[a]\nkey = "Zaubernuss!"\n',
    '[a]\nkey = Zaubernuss\n',
    '[a]\nhmac_key = ["Zaubernuss"]\n',
    'a = "Zaubernuss"\n',
  ])
    assert.throws(
      () => read(STANZA, keys),
      (error: unknown) => error instanceof PersonError && !`${error.message} ${error.hint ?? ''}`.includes('Zauber'),
      keys,
    );
});

const name = fc
  .stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)
  .filter((it) => !/^(?:constructor|prototype|[0-9]+)$/.test(it));
const secret = (most: number): fc.Arbitrary<Secret> =>
  fc.uint8Array({ minLength: 1, maxLength: most }).map((bytes) => new Secret(bytes));
const argument = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .filter((text) => !text.includes('\0') && text.isWellFormed());
const command = fc.array(argument, { minLength: 1, maxLength: 4 });
const seconds = fc.integer({ min: 1, max: MOST_SECONDS });
const ports = fc.uniqueArray(
  fc
    .tuple(fc.constantFrom('tcp', 'udp'), fc.integer({ min: 1, max: 65_535 }))
    .map(([protocol, port]) => `${protocol}/${port}`),
  { minLength: 1, maxLength: 4 },
);
const address = fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', 'fd00::/8', '10.0.0.0/8'));
const blocks = fc.oneof(fc.constant(['any']), fc.array(address, { minLength: 1, maxLength: 3 }));
const systemUser = fc.constantFrom('root', 'nobody', 'www-data');
const may = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

const stanza: fc.Arbitrary<{ table: StanzaTable; keys: StanzaKeys }> = fc
  .record({
    source: blocks,
    destination: may(blocks),
    hmac: fc.constantFrom(...DIGEST_NAMES, 'none' as const),
    cipher: fc.oneof(
      fc.record({ mode: may(fc.constantFrom(...MODE_NAMES)) }),
      fc.record({
        gpg: fc.oneof(
          fc.record({ home: fc.constant('/k'), unsigned: fc.constant(true) }),
          fc.record({
            home: fc.constant('/k'),
            signers: fc.constant(['ABCD1234']),
            ignore_bad_signature: may(fc.boolean()),
          }),
        ),
      }),
    ),
    rest: fc.record({
      open_ports: may(ports),
      restrict_ports: may(ports),
      seconds: may(seconds),
      max_seconds: may(seconds),
      require_source_address: may(fc.boolean()),
      require_user: may(fc.stringMatching(/^[ -~]{1,48}$/)),
      expires: may(
        fc
          .date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true })
          .map((date) => new TomlDate(date)),
      ),
      single_use: may(fc.boolean()),
    }),
    commands: may(
      fc.record({
        command_user: systemUser,
        command_prefix: may(command),
        time_limit: may(fc.double({ min: 0.1, max: 3_600, noNaN: true })),
      }),
    ),
    cycle: may(fc.record({ open: command, user: may(systemUser) })),
    closing: may(fc.record({ close: command, close_after: may(seconds) })),
    nat: may(
      fc.record({
        forward: fc.constant(true),
        forward_to: may(fc.constant('[fd00::7]:22')),
        masquerade: may(fc.boolean()),
      }),
    ),
    key: secret(32),
    hmacKey: secret(128),
    passphrase: argument.filter((text) => text !== ''),
  })
  .map(({ source, destination, hmac, cipher, rest, commands, cycle, closing, nat, key, hmacKey, passphrase }) => ({
    table: {
      ...{ source, destination, hmac, ...cipher, ...rest, ...commands, ...nat },
      ...(cycle === undefined ? {} : { cycle: { ...cycle, ...closing } }),
    },
    keys: stanzaKeys(
      'gpg' in cipher ? undefined : key,
      hmac === 'none' ? undefined : hmacKey,
      'gpg' in cipher ? new Secret(Buffer.from(passphrase)) : undefined,
    ),
  }))
  .filter(
    ({ keys }) =>
      keys.key === undefined ||
      keys.hmacKey === undefined ||
      Buffer.compare(keys.key.reveal(), keys.hmacKey.reveal()) !== 0,
  );

test('what is written as TOML is read as it was', () => {
  const settings = fc.record({
    hear: may(fc.constant(['icmp', 'udp/1-2'])),
    max_age: may(fc.oneof(seconds, fc.constant('any' as const))),
    nat_names: may(fc.boolean()),
  });
  fc.assert(
    fc.property(
      settings,
      fc.uniqueArray(fc.record({ name, of: stanza }), { selector: (it) => it.name, maxLength: 4 }),
      (made, all) => {
        const raw: FwknopTable = {
          ...made,
          stanzas: Object.fromEntries(all.map(({ name: it, of }) => [it, of.table])),
        };
        const keys = new Map(all.map(({ name: it, of }) => [it, of.keys]));
        const sources = all.map(({ name: it, of }) => ({
          ...{ file: '/a', line: 1, name: it, notes: [] },
          stanzas: [{ name: it, table: of.table, keys: of.keys }],
        }));
        const toml = formatFwknop({ settings: made, sources, notes: [] }, '/etc/fwknop', []);
        const read = readGate(parseToml('x', toml), parseFwknopKeys('k', formatFwknopKeys(keys))).fwknop;
        const direct = readFwknop(parseToml('x', ''), raw, { from: parseToml('k', ''), stanzas: keys }, 62_201);
        assert.deepEqual(read, direct);
      },
    ),
  );
});

test('any text is a value of TOML, and itself again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      fc.pre(text.isWellFormed());
      const { data } = parseToml('x', tableText(['a', 'b c'], { value: text, list: [text] }).join('\n'));
      assert.deepEqual(JSON.parse(JSON.stringify(data)), { a: { 'b c': { value: text, list: [text] } } });
    }),
  );
});
