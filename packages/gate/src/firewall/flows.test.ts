import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatAddress } from '@postern/protocol';
import fc from 'fast-check';
import { flowsInPieces, parseFlows } from './flows.ts';

const HEADER = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const REST = '00000000:00000000 00:00000000 00000000     0        0 1234 1 0000000000000000 20 4 30 10 -1\n';

function line(local: string, remote: string, state: string): string {
  return `   0: ${local} ${remote} ${state} ${REST}`;
}

test('a line as the kernel prints it is a flow with the remote address and both ports', () => {
  const text = HEADER + line('0100007F:0016', '0203A8C0:D431', '01');
  const [flow] = parseFlows(text, new Set([22]));
  assert.ok(flow);
  assert.equal(formatAddress(flow.remoteAddress), '192.168.3.2');
  assert.deepEqual([flow.family, flow.protocol, flow.remotePort, flow.localPort], [4, 'tcp', 54_321, 22]);
});

test('a line of tcp6 is IPv6, or IPv4 when its addresses are mapped', () => {
  const text =
    HEADER +
    line('B80D0120000000000000000001000000:0016', 'B80D01200000000000000000EFBEADDE:0400', '01') +
    line('0000000000000000FFFF00000100007F:0016', '0000000000000000FFFF00000203A8C0:0401', '08');
  const flows = parseFlows(text, new Set([22]));
  assert.deepEqual(
    flows.map(({ family, remoteAddress, remotePort }) => [family, formatAddress(remoteAddress), remotePort]),
    [
      [6, '2001:db8::dead:beef', 1024],
      [4, '192.168.3.2', 1025],
    ],
  );
});

test('only connections that still say something, to a wanted port, are flows', () => {
  const states = ['01', '02', '03', '04', '05', '06', '07', '08', '09', '0A', '0B', '0C'];
  const text =
    HEADER +
    states.map((state, i) => line('0100007F:0016', `0203A8C0:000${i.toString(16).toUpperCase()}`, state)).join('');
  assert.deepEqual(
    parseFlows(text, new Set([22])).map(({ remotePort }) => states[remotePort]),
    ['01', '04', '05', '08', '09', '0B'],
  );
  assert.deepEqual(parseFlows(text, new Set([23])), []);
});

test('what the kernel would print of any connection is read back', () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const port = fc.nat(65_535);
  const hex = (number: number, width: number): string => number.toString(16).toUpperCase().padStart(width, '0');
  fc.assert(
    fc.property(bytes, fc.boolean(), port, port, (address, mapped, localPort, remotePort) => {
      if (mapped) address.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]);
      const words = new Uint32Array(address.slice().buffer);
      const remote = [...words].map((word) => hex(word, 8)).join('');
      const text = HEADER + line(`${'0'.repeat(32)}:${hex(localPort, 4)}`, `${remote}:${hex(remotePort, 4)}`, '01');
      const family = formatAddress(address).includes(':') ? 6 : 4;
      assert.deepEqual(parseFlows(text, new Set([localPort])), [
        { family, protocol: 'tcp', remoteAddress: address, remotePort, localPort },
      ]);
    }),
  );
});

test('no text makes it throw, and every flow has a wanted port and 16 bytes of address', () => {
  const ports = new Set(Array.from({ length: 65_536 }, (_, i) => i));
  const pieces = fc.array(
    fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.constantFrom(
        ' ',
        ':',
        '\n',
        '0:',
        '01',
        '0100007F',
        '0100007F:0016',
        '0'.repeat(32),
        'FFFFFFFF:FFFF',
        '0000000000000000FFFF0000',
      ),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(pieces, (parts) => {
      for (const flow of parseFlows(parts.join(' '), ports)) {
        assert.equal(flow.remoteAddress.length, 16);
        assert.ok(ports.has(flow.localPort) && flow.remotePort <= 65_535);
      }
    }),
    { numRuns: 1000 },
  );
});

test('a long table is read in pieces, none of which has many lines, and no line is lost or broken between two', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-flows-'));
  context.after(() => {
    rmSync(directory, { recursive: true });
  });
  const path = join(directory, 'tcp');
  const remote = (index: number): string => `0203A8C0:${(index + 1024).toString(16).toUpperCase().padStart(4, '0')}`;
  const text =
    HEADER + Array.from({ length: 1_000 }, (_, index) => line('0100007F:0016', remote(index), '01')).join('');
  writeFileSync(path, text.slice(0, -1));
  const pieces = [...flowsInPieces([22], [join(directory, 'missing'), path])];
  assert.deepEqual(pieces.flat(), parseFlows(text, new Set([22])));
  assert.equal(pieces.flat().length, 1_000);
  assert.ok(Math.max(...pieces.map(({ length }) => length)) <= 40);
});
