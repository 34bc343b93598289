import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PersonError } from '@postern/terminal';
import { parseKnockdLine } from './knockd-line.ts';
import { familyOfSequence, parseSequence, type SequenceStep } from './sequence.ts';

const port = fc.integer({ min: 1, max: 65_535 });
const step: fc.Arbitrary<SequenceStep> = fc.oneof(
  fc.record({ protocol: fc.constantFrom('tcp', 'udp'), port }),
  fc.record({ protocol: fc.constantFrom('icmp', 'icmpv6'), port: fc.constant(0) }),
);
const written = ({ protocol, port }: SequenceStep): string => (port === 0 ? protocol : `${protocol}/${port}`);

test('a sequence is read as it was written, with commas, blanks or lines in between', () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 32 }),
      fc.constantFrom(',', ', ', '\n', ' '),
      (steps, between) => {
        assert.deepEqual(
          parseSequence(steps.map(written).join(between)),
          steps.map((it) => ({ ...it })),
        );
      },
    ),
  );
});

test('any other text is refused with what was expected', () => {
  for (const text of [
    '',
    'tcp',
    'tcp/0',
    'tcp/65536',
    'sctp/7',
    '7000:tcp',
    'icmp/8',
    'tcp/1;udp/2',
    'tcp/1,'.repeat(33),
  ])
    assert.throws(() => parseSequence(text), PersonError, text);
});

test('echo requests decide the family', () => {
  const family = (text: string, asked?: 4 | 6): 4 | 6 | undefined => familyOfSequence(parseSequence(text), asked);
  assert.deepEqual(
    [family('tcp/1'), family('tcp/1', 6), family('tcp/1,icmp'), family('icmpv6', 6)],
    [undefined, 6, 4, 6],
  );
  assert.throws(() => family('icmp', 6), /by one of them/);
});

test("options of knockd's knock are read wherever they stand, long, short or together", () => {
  const typed = (line: string): unknown => parseKnockdLine(line.split(' '));
  const steps = [
    { protocol: 'tcp', port: 7000 },
    { protocol: 'udp', port: 8000 },
  ];
  const plain = { host: 'h', family: undefined, delay: 0, verbose: false, steps };
  assert.deepEqual(typed('h 7000 8000:udp'), plain);
  assert.deepEqual(typed('-- h 7000:tcp 8000:udp'), plain);
  for (const line of [
    '-d 10 -4 -v h 7000 8000:udp',
    'h -d10 7000 -4v 8000:udp',
    '--delay=10 -6 --verbose h 7000 8000:udp --ipv4',
  ])
    assert.deepEqual(typed(line), { ...plain, delay: 10, family: 4, verbose: true }, line);
  assert.deepEqual(typed('-u h 7000:tcp 8000'), { ...plain, steps: steps.map((it) => ({ ...it, protocol: 'udp' })) });
  assert.equal(typed('-V'), 'version');
  for (const line of ['h', 'h 0', 'h 65536', 'h 7:xyz', '-d abc h 7', '-q h 7', '--udpx h 7', 'h -1', 'h 7 -d'])
    assert.throws(() => typed(line), PersonError, line);
});
