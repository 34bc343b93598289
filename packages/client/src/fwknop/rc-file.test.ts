import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { EXIT, PersonError } from '@postern/terminal';
import { assignmentsOf, findStanza, parseFwknoprc, readFwknoprc, remarksOf } from './rc-file.ts';
import { formatStanza, withStanza } from './rc-stanza.ts';
import { type Assignment, FWKNOPRC_VARIABLES, layered, SWITCHES } from './variables.ts';

const FILE = `# a comment
; another
[default]
SPA_SERVER_PORT 62000   ; of all
[web1]
SPA_SERVER:  gate.example.com
ACCESS       tcp/22,udp/53#comment
KEY_BASE64 : AAAA
  USE_HMAC y
[a b] # a name of two words
KEY one two
`;

test('stanzas, names and values are read as fwknop reads them', () => {
  const file = parseFwknoprc(FILE, 'rc');
  assert.deepEqual(
    file.stanzas.map(({ name, line, entries }) => [
      name,
      line,
      ...entries.map((entry) => `${entry.name}=${entry.value}`),
    ]),
    [
      ['default', 3, 'SPA_SERVER_PORT=62000'],
      ['web1', 5, 'SPA_SERVER=gate.example.com', 'ACCESS=tcp/22,udp/53', 'KEY_BASE64=AAAA', 'USE_HMAC=y'],
      ['a b', 10, 'KEY=one'],
    ],
  );
  const last = findStanza(file, 'A B');
  assert.ok(last !== undefined);
  assert.deepEqual(remarksOf(file, last), ['rc:11: KEY: the value ends with the first space, as in fwknop']);
  assert.equal(findStanza(file, 'nobody'), undefined);
});

test('what comes later wins, and a key in one form stands in for the other', () => {
  const assign = (name: Assignment['name'], value: string): Assignment => ({ name, value, from: name });
  const names = (...layers: Assignment[][]): string[] => [...layered(...layers).keys()];
  assert.deepEqual(names([assign('KEY', 'a')], [assign('KEY_BASE64', 'b')]), ['KEY_BASE64']);
  assert.deepEqual(names([assign('KEY_FILE', 'a')], [assign('KEY_FD', '0')]), ['KEY_FD']);
  assert.deepEqual(names([assign('RAND_PORT', 'Y')], [assign('SPA_SERVER_PORT', '5')]), ['SPA_SERVER_PORT']);
  assert.deepEqual(names([assign('SPA_SERVER_PORT', '5')], [assign('RAND_PORT', 'N')]), [
    'SPA_SERVER_PORT',
    'RAND_PORT',
  ]);
  assert.deepEqual(names([assign('HMAC_KEY_FILE', 'a'), assign('KEY', 'b')]), ['HMAC_KEY_FILE', 'KEY']);
});

test('a line that is nothing is refused with its number and without its text', () => {
  for (const line of ['ACCESS=tcp/22', 'KEY', '[]', 'secret!', '-']) {
    assert.throws(
      () => parseFwknoprc(`[a]\n${line}\n`, 'rc'),
      (error: unknown) =>
        error instanceof PersonError && error.message.startsWith('rc:2: ') && !error.message.includes('secret'),
    );
  }
});

test('variables that fwknop does not know, and switches that are neither Y nor N, are refused', () => {
  const refused = (line: string): string => {
    const file = parseFwknoprc(`[a]\n${line}\n`, 'rc');
    const [stanza] = file.stanzas;
    try {
      if (stanza !== undefined) assignmentsOf(file, stanza);
    } catch (error) {
      assert.ok(error instanceof PersonError);
      return `${error.message} | ${error.hint ?? ''}`;
    }
    assert.fail('it was taken');
  };
  assert.equal(refused('CLIENT_TIMEOUT 60'), 'rc:2: fwknop has no variable CLIENT_TIMEOUT | did you mean FW_TIMEOUT?');
  assert.match(refused('ACCES tcp/22'), /did you mean ACCESS\?/);
  assert.match(refused('USE_HMAC yes'), /rc:2: USE_HMAC: Y or N expected/);
});

test('two stanzas of one name are refused', () => {
  const file = parseFwknoprc('[a]\n[A]\n[a]\n', 'rc');
  assert.throws(() => findStanza(file, 'a'), /two stanzas \[a\], in lines 1 and 3/);
  assert.equal(findStanza(file, 'A')?.line, 2);
});

test('a file with keys must be private; one without may be read by others', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-rc-'));
  const path = join(directory, 'rc');
  try {
    assert.equal(readFwknoprc(path), undefined);
    writeFileSync(path, '[a]\nHMAC_KEY x\n');
    chmodSync(path, 0o640);
    assert.throws(
      () => readFwknoprc(path),
      (error: unknown) =>
        error instanceof PersonError &&
        error.exitCode === EXIT.configuration &&
        error.hint?.includes('chmod 600') === true,
    );
    chmodSync(path, 0o600);
    assert.equal(readFwknoprc(path)?.stanzas.length, 1);
    writeFileSync(path, '[a]\nACCESS tcp/22\n');
    chmodSync(path, 0o644);
    assert.equal(readFwknoprc(path)?.stanzas.length, 1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('any text is read or refused, with nothing else thrown', () => {
  const piece = fc.constantFrom('[', ']', 'a', 'KEY', ' ', '\t', ':', '#', ';', '\n', '\r', 'Y', '\u0000', 'é', '=');
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(text, (content) => {
      try {
        for (const { entries } of parseFwknoprc(content, 'rc').stanzas) {
          for (const { name, value, line } of entries) {
            assert.match(name, /^\w+$/);
            assert.match(value, /^[^\s;#]+$/);
            assert.ok(content.split('\n')[line - 1]?.includes(value));
          }
        }
      } catch (error) {
        assert.ok(error instanceof PersonError);
      }
    }),
    { numRuns: 2_000 },
  );
});

const assignment = fc
  .tuple(fc.constantFrom(...FWKNOPRC_VARIABLES), fc.stringMatching(/^[!-9<-~][!-:<-~]{0,20}$/))
  .map(([name, value]): Assignment => ({
    name,
    value: SWITCHES.has(name) ? 'Y' : value.replaceAll('#', '+'),
    from: name,
  }));

test('a stanza that was written is read back as it was, and the others stay', () => {
  fc.assert(
    fc.property(fc.array(assignment, { maxLength: 8 }), fc.boolean(), (assignments, twice) => {
      const stanza = formatStanza('web2', assignments);
      const once = withStanza(parseFwknoprc(FILE, 'rc'), 'web2', stanza, false);
      const text = twice ? withStanza(parseFwknoprc(once, 'rc'), 'WEB2', stanza, true) : once;
      const file = parseFwknoprc(text, 'rc');
      const written = findStanza(file, 'web2');
      assert.ok(written !== undefined);
      const base64 = (value: string): string => Buffer.from(value).toString('base64');
      const secret: Readonly<Record<string, string>> = {
        ...{ KEY: 'KEY_BASE64', HMAC_KEY: 'HMAC_KEY_BASE64', GPG_SIGNING_PW: 'GPG_SIGNING_PW_BASE64' },
      };
      assert.deepEqual(
        assignmentsOf(file, written).map(({ name, value }) => [name, value]),
        [...layered(assignments).values()].map(({ name, value }) =>
          secret[name] === undefined ? [name, value] : [secret[name], base64(value)],
        ),
      );
      assert.ok(text.startsWith(FILE.trimEnd()));
    }),
  );
});

test('a stanza is replaced where that was asked for only, and one that would not be read back is not written', () => {
  const file = parseFwknoprc(FILE, 'rc');
  const stanza = formatStanza('web1', [{ name: 'ACCESS', value: 'tcp/443', from: '-A' }]);
  assert.throws(() => withStanza(file, 'web1', stanza, false), /rc has a stanza \[web1\]/);
  const replaced = withStanza(file, 'web1', stanza, true);
  assert.doesNotMatch(replaced, /tcp\/22/);
  assert.match(replaced, /^ACCESS {22}tcp\/443\n\[a b\] # a name/m);
  assert.throws(() => formatStanza('a]', []), /cannot be the name of a stanza/);
  assert.throws(
    () => formatStanza('a', [{ name: 'HTTP_USER_AGENT', value: 'a b', from: '-u' }]),
    /-u: a value with a space/,
  );
});
