import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseFwknopdFile, settingOf } from './fwknopd-file.ts';

test("a variable at the beginning of a value stands for its own value, or fwknop's own", () => {
  const file = parseFwknopdFile(
    '/f',
    'DIGEST_FILE $FWKNOP_RUN_DIR/x;\nACCESS_FILE: $FWKNOP_CONF_DIR/a.conf\nFWKNOP_RUN_DIR /r;\n',
  );
  assert.equal(settingOf(file, 'DIGEST_FILE'), '/r/x');
  assert.equal(settingOf(file, 'ACCESS_FILE'), '/etc/fwknop/a.conf');
  assert.equal(settingOf(file, 'PCAP_FILTER'), 'udp port 62201');
});

test('variables that name each other end', () => {
  const file = parseFwknopdFile(
    '/f',
    'ACCESS_FILE $ACCESS_FOLDER/x\nACCESS_FOLDER $ACCESS_FILE/y\nGPG_EXE $NOTHING/z\n',
  );
  assert.match(settingOf(file, 'ACCESS_FILE') ?? '', /^\$ACCESS_/);
  assert.equal(settingOf(file, 'GPG_EXE'), '$NOTHING/z');
});

test('what is unknown, or has no value, is noted and passed over', () => {
  const { notes } = parseFwknopdFile('/f', 'PCAP_FITLER udp port 1\nCOLOUR red\nVERBOSE\n');
  assert.deepEqual(
    notes.map(({ fate, line, mend }) => [fate, line, mend]),
    [
      ['weak', 1, ['did you mean PCAP_FILTER?']],
      ['no-meaning', 2, undefined],
      ['no-meaning', 3, undefined],
    ],
  );
});

test('any text is read', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc
          .array(fc.constantFrom('$', 'ACCESS_FILE', '\n', ' ', ';', '$ACCESS_FILE'), { maxLength: 80 })
          .map((all) => all.join('')),
      ),
      (text) => {
        parseFwknopdFile('/f', text);
      },
    ),
  );
});
