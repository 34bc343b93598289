import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeLog, type Fields, type Level } from './log.ts';

function lines(level: Level, what: string, fields?: Fields): string[] {
  const written: string[] = [];
  makeLog((line) => written.push(line))(level, what, fields);
  return written;
}

/** Everything that some reader of logs takes for the end of a line, or a terminal for a command. */
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

test('a line says what happened, then fields; what is no plain word is quoted', () => {
  const fields = { service: 'ssh', source: '2001:db8::7', grants: 2, again: false, user: 'alice b', none: undefined };
  assert.deepEqual(lines('info', 'opened', fields), [
    'posternd: opened service=ssh source=2001:db8::7 grants=2 again=false user="alice b"',
  ]);
  assert.deepEqual(lines('warning', 'raced'), ['posternd: warning: raced']);
  assert.deepEqual(lines('error', 'full', { hint: '' }), ['posternd: error: full hint=""']);
});

test('nothing that comes from elsewhere can forge a line or a field, or move the cursor', () => {
  const forged = [
    'x\nposternd: opened service=ssh',
    'x\rposternd: opened',
    'x user=root',
    'x" user="root',
    'x\u0085y',
    'x\u2028y',
  ];
  for (const value of forged) {
    const [line = '', ...more] = lines('info', 'opened', { user: value, end: 1 });
    assert.deepEqual(more, []);
    assert.ok(!HARMFUL.test(line), JSON.stringify(line));
    assert.match(line, /^posternd: opened user="(?:[^"\\]|\\.)*" end=1$/);
  }
  assert.deepEqual(lines('info', 'cannot read users.d/x\nposternd: opened'), [
    'posternd: cannot read users.d/x\\u000aposternd: opened',
  ]);
  assert.deepEqual(lines('info', 'a', { b: '\u001b[2J\u202e' }), ['posternd: a b="\\u001b[2J\\u202e"']);
});

test('whatever a value is, it can be read back from the line', () => {
  const unit = fc.oneof(fc.nat(0xff), fc.nat(0xffff), fc.nat(0x10ffff)).map((code) => String.fromCodePoint(code));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit }), fc.string()), (value) => {
      const [line = ''] = lines('info', 'told', { value, last: 'z' });
      assert.ok(!HARMFUL.test(line));
      const [, quoted, plain] = /^posternd: told value=(?:("(?:[^"\\]|\\.)*")|(\S+)) last=z$/.exec(line) ?? [];
      assert.equal(quoted === undefined ? plain : JSON.parse(quoted), value);
    }),
  );
});
