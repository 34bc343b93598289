import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findInclude, withInclude, withoutInclude } from './ssh-include.ts';

const WORD = 'postern.conf';

/** Configurations as people have them, and any text at all. */
const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        'Host web1',
        '  HostName 192.0.2.1',
        'Match host x exec "true"',
        '',
        '# Host *',
        'Include other.conf',
        'ServerAliveInterval=30\r',
        'Host *',
      ),
    )
    .map((lines) => lines.join('\n')),
);

test('what was put in is taken out again, and every byte is as before', () => {
  assert.equal(withoutInclude(withInclude(undefined, WORD), WORD), undefined);
  assert.equal(withoutInclude(withInclude('', WORD), WORD), '', 'an empty file stays an empty file');
  fc.assert(
    fc.property(texts, (text) => {
      assert.equal(withoutInclude(withInclude(text, WORD), WORD), text);
    }),
  );
});

test('the line holds for every host, whatever stands below it', () => {
  fc.assert(
    fc.property(texts, (text) => {
      assert.deepEqual(findInclude(withInclude(text, WORD), WORD), { kind: 'global' });
    }),
  );
});

test('what its owner writes around the line meanwhile stays', () => {
  const text = `# mine\n${withInclude('Host a\n', WORD)}Host b\n`;
  assert.equal(withoutInclude(text, WORD), '# mine\nHost a\nHost b\n');
  const changed = withInclude('Host a\n', WORD).replace('# Postern', '# my Postern');
  assert.equal(withoutInclude(changed, WORD), changed, 'a line that is not as we wrote it is not ours to take');
});

test('the line is found however it is written, and it is seen where it would not be read', () => {
  for (const line of [
    'include postern.conf',
    '  Include "postern.conf"',
    'Include=postern.conf',
    'Include a postern.conf',
  ]) {
    assert.deepEqual(findInclude(`# x\n${line}\nHost a\n`, WORD), { kind: 'global' }, line);
    assert.deepEqual(findInclude(`Host a b\n${line}\n`, WORD), { kind: 'conditional', line: 2, above: 1 }, line);
    assert.deepEqual(findInclude(`Match user x\n#\nHost *\n${line}\n`, WORD), { kind: 'global' }, line);
    assert.deepEqual(findInclude(`Host a\nMATCH all\n${line}\n`, WORD), { kind: 'global' }, line);
    assert.deepEqual(findInclude(`# ${line}\n`, WORD), { kind: 'absent' }, line);
  }
  assert.deepEqual(findInclude('Include postern.conf.old\n', WORD), { kind: 'absent' });
});
