import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Seconds, UnixMicros } from '@postern/protocol';
import { parsePrefix } from '@postern/protocol';
import type { Fwknop, FwknopStanza } from '../../config/fwknop/model.ts';
import type { Configuration } from '../../config/model.ts';
import { somebodyMayOpen } from '../check-configuration.ts';
import { FINDINGS } from '../finding-table.ts';
import { fwknopCommands, fwknopHearing, fwknopKeyrings, fwknopPackets, fwknopPorts } from './fwknop.ts';
import { service, subject } from './subject.fixture.ts';

const one = (text: string): FwknopStanza['sources'] => [parsePrefix(text) ?? assert.fail()];
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

function stanza(name: string, over: Partial<FwknopStanza> = {}): FwknopStanza {
  return {
    ...{ name, sources: one('192.0.2.0/24'), destinations: undefined, restrictPorts: [] },
    cipher: { kind: 'symmetric', key: bytes(`key ${name}`), mode: 'cbc' },
    hmac: { digest: 'sha256', key: bytes(`hmac ${name}`) },
    openPorts: [{ protocol: 'tcp', port: 22 }],
    ...{ seconds: 30 as Seconds, maxSeconds: 300 as Seconds, requireSourceAddress: true, requireUser: undefined },
    ...{ expires: undefined, singleUse: false, commandUser: undefined, commandPrefix: [], timeLimit: 10 },
    ...{ cycle: undefined, cycleUser: 'nobody' },
    nat: { forward: false, local: false, force: undefined, masquerade: false },
    ...over,
  };
}

const all = (stanzas: readonly FwknopStanza[], over: Partial<Fwknop> = {}): Fwknop => ({
  hear: [{ protocol: 'udp', first: 62_201, last: 62_201 }],
  ...{ maxAge: 120, natNames: false, budget: true, stanzas },
  ...over,
});

/** Codes and what they say, of all who look at fwknop. */
function found(
  fwknop: Fwknop,
  configuration: Partial<Configuration> = {},
  missingKeyrings: readonly string[] = [],
): string[] {
  const it = subject({
    configuration: { services: [service('ssh', 22)], ...configuration, fwknop },
    facts: { missingKeyrings },
  });
  return [fwknopPackets, fwknopCommands, fwknopKeyrings, fwknopHearing, fwknopPorts].flatMap((look) =>
    look(it).map(({ code, severity, what }) => {
      assert.ok(FINDINGS[code].severities.includes(severity));
      return `${code}: ${what}`;
    }),
  );
}

const CYCLE = { open: ['/x'], close: undefined, closeAfter: 30 };

test('of a sound stanza nothing is found, and of none nothing', () => {
  assert.deepEqual(found(all([stanza('a'), stanza('b')])), []);
  assert.deepEqual(
    [fwknopPackets, fwknopHearing, fwknopPorts].flatMap((look) => look(subject())),
    [],
  );
});

for (const [name, fwknop, expected] of [
  [
    'no HMAC',
    all([stanza('a', { hmac: undefined })]),
    ['fwknop-no-hmac: packets of fwknop without an HMAC are taken: a'],
  ],
  [
    'an old digest',
    all([stanza('a', { hmac: { digest: 'md5', key: bytes('x') } })]),
    ['fwknop-old-digest: an HMAC with MD5 or SHA-1: a'],
  ],
  [
    'old modes',
    all(
      (['ecb', 'legacy'] as const).map((mode) =>
        stanza(mode, { cipher: { kind: 'symmetric', key: bytes(mode), mode } }),
      ),
    ),
    ['fwknop-old-mode: packets are encrypted in ECB or legacy mode: ecb, legacy'],
  ],
  [
    'shared keys, told of once',
    all([stanza('a'), stanza('b', { cipher: stanza('a').cipher, hmac: stanza('a').hmac }), stanza('c')]),
    ['fwknop-shared-keys: stanzas share keys: a, b'],
  ],
  [
    'commands from anywhere, as root',
    all([
      stanza('a', { sources: one('0.0.0.0/0'), commandUser: 'root' }),
      stanza('b', { cycle: CYCLE, cycleUser: 'root' }),
    ]),
    [
      'fwknop-commands-anywhere: commands of clients are run, wherever they come from: a',
      'fwknop-commands-root: commands run as root: a, b',
    ],
  ],
  [
    'ports and ranges that are heard',
    all([], {
      hear: [{ protocol: 'udp', first: 5, last: 9 }, { protocol: 'tcp', first: 80, last: 80 }, { protocol: 'icmp' }],
    }),
    ['fwknop-answers: packets of fwknop are heard at tcp/80', 'fwknop-range: packets of fwknop are heard at udp/5-9'],
  ],
  [
    'ports that nothing hides',
    all([
      stanza('a', { openPorts: [22, 23].map((port) => ({ protocol: 'tcp', port })) }),
      stanza('b', { openPorts: [{ protocol: 'udp', port: 5 }], cycle: CYCLE }),
    ]),
    ['fwknop-opens-nothing: requests of fwknop open ports that nothing hides: tcp/23'],
  ],
] as const) {
  test(`found: ${name}`, () => {
    assert.deepEqual(found(fwknop), expected);
  });
}

test('on a dark host every port is hidden', () => {
  assert.deepEqual(found(all([stanza('a')]), { services: [], dark: true }), []);
});

test('a keyring that is not there is an error', () => {
  const gpg = {
    kind: 'gpg',
    home: '/k',
    program: '/usr/bin/gpg',
    passphrase: undefined,
    signers: [],
    ignoreBadSignature: false,
  } as const;
  assert.deepEqual(found(all([stanza('a', { cipher: gpg })]), {}, ['/k']), [
    'fwknop-gpg-home: the keyring of gpg cannot be read: a (/k)',
  ]);
  assert.deepEqual(found(all([stanza('a', { cipher: gpg })])), []);
});

test("a service that only clients of fwknop open is in nobody else's way", () => {
  const now = 1_800_000_000_000_000 as UnixMicros;
  const may = (over: Partial<FwknopStanza>): boolean =>
    somebodyMayOpen(
      subject({ configuration: { services: [service('ssh', 22)], fwknop: all([stanza('a', over)]) } }).configuration,
      'ssh',
      now,
    );
  assert.equal(may({}), true);
  assert.equal(may({ openPorts: undefined }), true);
  assert.equal(may({ openPorts: [{ protocol: 'udp', port: 22 }] }), false);
  assert.equal(may({ openPorts: undefined, restrictPorts: [{ protocol: 'tcp', port: 22 }] }), false);
  assert.equal(may({ expires: now }), false);
  assert.equal(may({ cycle: CYCLE }), false);
});
