import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { toHex } from '@postern/protocol';
import type { FwknopStanza } from '../config/fwknop/model.ts';
import { decodeMonitorFrame, encodeMonitorFrame } from '../line/codec.ts';
import { MOST_CREDENTIAL_SOURCES } from '../line/frame.ts';
import { FwknopTable } from './fwknop-table.ts';
import { ANY, bytes, configured, prefix, stanza } from './fwknop.fixture.ts';

const table = (stanzas: readonly FwknopStanza[], over = {}): FwknopTable =>
  new FwknopTable(7, configured(stanzas, over));
const ids = (of: FwknopTable): string[] => of.credentials.map(({ id }) => toHex(id));
const key = (text: string): Pick<FwknopStanza, 'cipher'> => ({
  cipher: { kind: 'symmetric', mode: 'cbc', key: bytes(text) },
});
const gpg = (over = {}): Pick<FwknopStanza, 'cipher'> => ({
  cipher: {
    ...{ kind: 'gpg', home: '/root/.gnupg', program: '/usr/bin/gpg' },
    ...{ passphrase: undefined, signers: undefined, ignoreBadSignature: false },
    ...over,
  },
});

test('stanzas that share their keys are one credential, in their order', () => {
  const made = table([stanza('a'), stanza('b', key('b')), stanza('c'), stanza('d', key('b'))]);
  assert.deepEqual(
    made.credentials.map(({ stanzas }) => stanzas.map(({ name }) => name)),
    [
      ['a', 'c'],
      ['b', 'd'],
    ],
  );
  assert.deepEqual(
    made.frames().map(({ serial, index, pieces }) => [serial, index, pieces]),
    [
      [7, 0, 2],
      [7, 1, 2],
    ],
  );
});

test('a credential is named by its keys and how they are used, and by nothing else of its stanzas', () => {
  const [own] = ids(table([stanza('a')]));
  const renamed = table([
    stanza('other', { sources: [], requireUser: 'x', expires: undefined, commandUser: 'nobody' }),
  ]);
  assert.deepEqual(ids(renamed), [own]);
  assert.deepEqual(ids(table([stanza('x', key('x')), stanza('a')]))[1], own, 'wherever it stands');
  const others: Partial<FwknopStanza>[] = [
    key('a key of a stanzb'),
    { cipher: { kind: 'symmetric', mode: 'ctr', key: bytes('a key of a stanza') } },
    { hmac: undefined },
    { hmac: { digest: 'sha512', key: bytes('its other key') } },
    { hmac: { digest: 'sha256', key: bytes('its other kez') } },
    // The same bytes in a row, divided elsewhere.
    { ...key('a key of a stanzai'), hmac: { digest: 'sha256', key: bytes('ts other key') } },
    gpg(),
    gpg({ home: '/other' }),
    gpg({ program: '/opt/gpg' }),
  ];
  const all = [own, ...others.map((over) => ids(table([stanza('a', over)]))[0])];
  assert.equal(new Set(all).size, all.length);
  for (const id of all) assert.equal(id?.length, 32);
});

test('the name of a credential is no hash of its key that somebody could look up, and shows nothing of it', () => {
  const made = table([stanza('a')]);
  assert.ok(!inspect(made.credentials[0]?.id, { depth: 9 }).includes('a key'));
  assert.notEqual(
    toHex(made.credentials[0]?.id ?? new Uint8Array(0)),
    toHex(bytes('a key of a stanza').subarray(0, 16)),
  );
});

test('sources are those of all its stanzas; any, or too many for a frame, are not told', () => {
  const sourcesOf = (...lists: (readonly string[])[]): string[] | undefined => {
    const made = table(lists.map((list, index) => stanza(`s${String(index)}`, { sources: list.map(prefix) })));
    const [frame] = made.frames();
    return frame?.piece?.sources?.map(({ address, bits }) => `${toHex(address.subarray(10))}/${String(bits)}`);
  };
  assert.deepEqual(sourcesOf(['192.0.2.0/24']), ['ffffc0000200/120']);
  assert.deepEqual(sourcesOf(['192.0.2.0/24'], ['192.0.2.0/24', '2001:db8::/32']), [
    'ffffc0000200/120',
    '000000000000/32',
  ]);
  assert.deepEqual(sourcesOf(['0.0.0.0/0']), ['ffff00000000/96'], 'IPv4 alone');
  assert.equal(sourcesOf(['0.0.0.0/0'], ['::/0']), undefined);
  assert.deepEqual(sourcesOf([]), []);
  const many = Array.from({ length: MOST_CREDENTIAL_SOURCES }, (_, index) => `10.${String(index)}.0.0/16`);
  assert.equal(sourcesOf(many)?.length, MOST_CREDENTIAL_SOURCES);
  assert.equal(sourcesOf(many, ['192.0.2.1/32']), undefined);
});

test('the line carries every table, also the longest, and one of nothing', () => {
  const long: FwknopStanza = stanza('long', {
    cipher: { kind: 'symmetric', mode: 'legacy', key: new Uint8Array(32).fill(1) },
    hmac: { digest: 'sha3_512', key: new Uint8Array(128).fill(2) },
    sources: Array.from({ length: MOST_CREDENTIAL_SOURCES }, (_, index) => prefix(`2001:db8:${String(index)}::/48`)),
  });
  for (const made of [table([long, stanza('a'), stanza('g', gpg())]), table([]), new FwknopTable(0, undefined)])
    for (const frame of made.frames()) assert.deepEqual(decodeMonitorFrame(encodeMonitorFrame(frame)), frame);
  assert.deepEqual(table([stanza('a')], { budget: false }).frames()[0]?.piece?.unrationed, true);
  assert.deepEqual(table([stanza('a', { sources: ANY })]).frames()[0]?.piece?.unrationed, false);
});
