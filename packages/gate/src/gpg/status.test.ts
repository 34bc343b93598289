import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readStatus } from './status.ts';

const SUB = '939BEABF07E86C4BEC171F5B1CAD99DCDEF17D13';
const PRIMARY = 'DD27CCE5F55F23CFF2A91D92CD0A05A01C733EAC';
const OPEN = ['ENC_TO 1CAD99DCDEF17D13 1 0', 'BEGIN_DECRYPTION', 'DECRYPTION_INFO 2 9 0', 'PLAINTEXT 62 1795329870 '];
const CLOSE = ['DECRYPTION_OKAY', 'GOODMDC', 'END_DECRYPTION'];
const CONSIDERED = `KEY_CONSIDERED ${PRIMARY} 0`;
const VALID = `VALIDSIG ${SUB} 2026-11-22 1795329870 0 4 0 1 10 00 ${PRIMARY}`;
const signed = (verdict: string, ...more: string[]): string[] => [
  ...OPEN,
  'NEWSIG',
  CONSIDERED,
  verdict,
  ...more,
  ...CLOSE,
];
const GOOD = signed('GOODSIG 1CAD99DCDEF17D13 Ada <ada@example.test>', VALID);

/** Signatures as `verified subkey primary`, or `refused`. */
function read(lines: readonly string[]): readonly string[] | 'refused' {
  const result = readStatus(lines.map((line) => `[GNUPG:] ${line}\n`).join(''));
  const text = (print: Uint8Array | undefined): string =>
    print === undefined ? '-' : Buffer.from(print).toString('hex').toUpperCase();
  return result.ok
    ? result.value.map(({ verified, fingerprint, primary }) => `${verified} ${text(fingerprint)} ${text(primary)}`)
    : 'refused';
}

const without = (keyword: string): string[] => GOOD.filter((line) => !line.startsWith(keyword));
const before = (keyword: string, ...lines: string[]): string[] =>
  GOOD.flatMap((line) => (line.startsWith(keyword) ? [...lines, line] : [line]));

test('a good signature is of a subkey, and the primary key is told with it', () => {
  assert.deepEqual(read(GOOD), [`true ${SUB} ${PRIMARY}`]);
});

test('a text without a signature has none', () => {
  assert.deepEqual(read([...OPEN, ...CLOSE]), []);
});

for (const [name, lines, expected] of [
  ['a bad one', signed('BADSIG 1CAD99DCDEF17D13 Ada'), `false - ${PRIMARY}`],
  ['one of an unknown key', signed(`ERRSIG 1CAD99DCDEF17D13 1 10 00 1795329870 9 ${SUB}`), `false ${SUB} ${PRIMARY}`],
  [
    'one of an unknown key, from an old gpg',
    signed('ERRSIG 1CAD99DCDEF17D13 1 10 00 1795329870 9'),
    `false - ${PRIMARY}`,
  ],
  ['one that has expired', signed('EXPSIG 1CAD99DCDEF17D13 Ada', VALID), `false ${SUB} ${PRIMARY}`],
  ['one of an expired key', signed('EXPKEYSIG 1CAD99DCDEF17D13 Ada', VALID), `false ${SUB} ${PRIMARY}`],
  ['one of a revoked key', signed('REVKEYSIG 1CAD99DCDEF17D13 Ada', VALID), `false ${SUB} ${PRIMARY}`],
  ['one that is good but not valid', signed('GOODSIG 1CAD99DCDEF17D13 Ada'), `false - ${PRIMARY}`],
  ['one without a verdict', signed('SIG_ID x'), `false - ${PRIMARY}`],
  [
    'one of a key with a longer fingerprint',
    signed('GOODSIG 1CAD Ada', VALID.replace(SUB, SUB + SUB.slice(0, 24))),
    `false - ${PRIMARY}`,
  ],
] as const) {
  test(`a signature does not count: ${name}`, () => {
    assert.deepEqual(read(lines), [expected]);
  });
}

for (const [name, lines] of [
  ['nothing', []],
  ['it was not decrypted wholly', without('DECRYPTION_OKAY')],
  ['the end is missing', without('END_DECRYPTION')],
  ['the beginning is missing', without('BEGIN_DECRYPTION')],
  ['it was not encrypted to a key', without('ENC_TO')],
  ['there is no text', without('PLAINTEXT')],
  [
    'nothing protects it against change',
    GOOD.map((line) => line.replace('DECRYPTION_INFO 2 9 0', 'DECRYPTION_INFO 0 9 0')),
  ],
  ['a passphrase opens it as well', before('BEGIN_DECRYPTION', 'NEED_PASSPHRASE_SYM 9 3 8')],
  ['two texts', before('NEWSIG', 'PLAINTEXT 62 0 ')],
  ['a text outside', [...GOOD, 'PLAINTEXT 62 0 ']],
  ['a second message', [...GOOD, ...GOOD]],
  ['gpg says that there were two texts', [...GOOD, 'ERROR proc_pkt.plaintext 89']],
  ['it failed after all', [...GOOD, 'DECRYPTION_FAILED']],
  ['a signature outside', [...GOOD, 'NEWSIG', 'GOODSIG 1CAD99DCDEF17D13 Ada', VALID]],
  ['a verdict without a signature', without('NEWSIG')],
  ['a second verdict', before('VALIDSIG', 'BADSIG 1CAD99DCDEF17D13 Ada')],
  ['valid twice', before('VALIDSIG', VALID)],
  ['valid before the verdict', signed(VALID, 'GOODSIG 1CAD99DCDEF17D13 Ada')],
  ['a signature over a key, not over a text', GOOD.map((line) => line.replace(' 10 00 ', ' 10 13 '))],
  ['five signatures', [...OPEN, ...Array<string>(5).fill('NEWSIG'), ...CLOSE]],
] as const) {
  test(`all is refused: ${name}`, () => {
    assert.equal(read(lines), 'refused');
  });
}

test('lines of another kind, and a last line without an end, are refused', () => {
  const good = GOOD.map((line) => `[GNUPG:] ${line}\n`).join('');
  assert.ok(readStatus(good).ok);
  assert.ok(!readStatus(`${good}gpg: hello\n`).ok);
  assert.ok(!readStatus(good.slice(0, -1)).ok);
  assert.ok(!readStatus(`${good}\n`).ok);
});

test('no text of any kind is an exception, and no signature verifies without its four lines', () => {
  const line = fc.oneof(fc.constantFrom(...GOOD, ...signed('BADSIG 1 x')), fc.string());
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      const result = read(lines);
      if (result === 'refused' || !result.some((signature) => signature.startsWith('true'))) return;
      for (const needed of ['NEWSIG', GOOD[6] ?? '', VALID, 'DECRYPTION_OKAY']) assert.ok(lines.includes(needed));
    }),
  );
});
