import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnixMicros } from '@postern/protocol';
import fc from 'fast-check';
import type { FwknopFrame } from '../line/fwknop-codec.ts';
import { EventLog } from './event-log.ts';
import { address, commandRequest, natRequest, NOW, ports, request, stanza } from './fwknop.fixture.ts';
import type { FwknopEvent } from './fwknop.ts';
import type { Grant } from './grant.ts';
import { makeLog } from './log.ts';

class Bench {
  readonly lines: string[] = [];
  now = NOW * 1_000_000;
  readonly events = new EventLog(
    makeLog((line) => this.lines.push(line)),
    () => this.now as UnixMicros,
  );

  refuse(reason: Extract<FwknopEvent, { kind: 'refused' }>['reason'], frame: FwknopFrame = request()): void {
    this.events.fwknop({ kind: 'refused', reason, stanza: 'alice', request: frame, ahead: -3600 });
  }
}

const grant = (id: string): Grant => ({ id, ends: (NOW + 30) * 1_000_000 }) as Grant;

test('what was opened is a line: by which stanza, for whom, what and until when', () => {
  const bench = new Bench();
  const frame = request({ ports: ports('tcp/22 udp/53'), asked: address('203.0.113.9') });
  bench.events.fwknop({ kind: 'opened', stanza: stanza('alice'), request: frame, grants: [grant('g1'), grant('g2')] });
  bench.events.fwknop({
    kind: 'opened',
    stanza: stanza('alice'),
    request: { ...natRequest('inside', 22), asked: undefined },
    grants: [grant('g3')],
  });
  bench.events.fwknop({ kind: 'command', stanza: stanza('alice'), request: commandRequest('rm -rf "x"') });
  assert.deepEqual(bench.lines, [
    'posternd: opened stanza=alice user=ada source=192.0.2.1 for=203.0.113.9 asked="tcp/22,udp/53" until=2027-01-15T08:00:30.000Z grant="g1,g2"',
    'posternd: opened stanza=alice user=ada source=192.0.2.1 asked="tcp/22 to inside:22" until=2027-01-15T08:00:30.000Z grant=g3',
    'posternd: commands are run stanza=alice user=ada source=192.0.2.1 for=192.0.2.1 asked="a command"',
  ]);
  assert.equal(bench.events.granted, 3);
});

test('refusals draw at most one line a second, whatever their reason, also when the clock goes back', () => {
  const bench = new Bench();
  for (let index = 0; index < 3000; index++) {
    bench.now += 10_000;
    bench.refuse(index % 2 === 0 ? 'replayed' : 'user');
  }
  assert.equal(bench.lines.length, 30);
  bench.now -= 3600 * 1_000_000;
  bench.refuse('ports');
  bench.refuse('ports');
  assert.equal(bench.lines.length, 31);
  bench.now += 2_000_000;
  bench.refuse('past');
  assert.equal(bench.lines.length, 31, 'a race with a reload is not worth one');
  bench.refuse('age');
  assert.match(bench.lines[31] ?? '', /reason=age stanza=alice user=ada .* clock=-3600s$/);
});

test('nothing that a packet holds can forge a line or a field', () => {
  const text = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 48,
  });
  fc.assert(
    fc.property(text, text, text, (user, host, command) => {
      const bench = new Bench();
      bench.refuse('user', natRequest(host, 1, { user }));
      bench.now += 2_000_000;
      bench.refuse('user', commandRequest(command, { user }));
      assert.equal(bench.lines.length, 2);
      for (const line of bench.lines) {
        const rest = line.replaceAll(/ [a-z]+=(?:"(?:[^"\\]|\\.)*"|[\w.:/@+-]+)/g, '');
        assert.equal(rest, "posternd: warning: a packet of fwknop's format opened nothing");
        assert.ok(!/[^ -~]/.test(line));
      }
      assert.match(bench.lines[1] ?? '', / asked="a command"$/, 'a command may hold passwords');
    }),
    { numRuns: 300 },
  );
});
