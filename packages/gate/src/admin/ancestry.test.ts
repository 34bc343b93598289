import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import process from 'node:process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { makePlace, type Place } from '../config/testing.ts';
import { gatherEvidence, parseStat, terminalKind } from './ancestry.ts';
import type { AncestryEvidence } from './evidence.ts';
import { parseTcpTable, readConnections } from './tcp-table.ts';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n';
const ROW4 =
  '   1: 057100CB:0016 076433C6:C350 01 00000000:00000000 02:000A7214 00000000     0        0 24681 2 0000000000000000 20 4 30 10 -1\n';
const LISTEN4 =
  '   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11111 1 0000000000000000 100 0 0 10 0\n';
const SYN4 =
  '   2: 057100CB:0016 076433C6:C351 03 00000000:00000000 01:00000000 00000000     0        0 0 1 0000000000000000 100 0 0 10 0\n';
const ROW6 =
  '   3: B80D0120000000000000000005000000:0016 B80D0120000000000000000007000000:C352 08 00000000:00000000 00:00000000 00000000     0        0 13579 1 0 20 4 30 10 -1\n';
const MAPPED6 =
  '   4: 0000000000000000FFFF0000057100CB:0016 0000000000000000FFFF0000076433C6:C353 01 00000000:00000000 00:00000000 00000000     0        0 97531 1 0 20 4 30 10 -1\n';

test('connections of both families are read, mapped ones as IPv4; listeners and half-open ones are none', () => {
  assert.deepEqual(parseTcpTable(HEAD + LISTEN4 + ROW4 + SYN4), [
    { localAddress: '203.0.113.5', localPort: 22, remoteAddress: '198.51.100.7', remotePort: 50_000, inode: 24_681 },
  ]);
  assert.deepEqual(parseTcpTable(HEAD + ROW6 + MAPPED6), [
    { localAddress: '2001:db8::5', localPort: 22, remoteAddress: '2001:db8::7', remotePort: 50_002, inode: 13_579 },
    { localAddress: '203.0.113.5', localPort: 22, remoteAddress: '198.51.100.7', remotePort: 50_003, inode: 97_531 },
  ]);
});

test('arbitrary text in the place of a table or a stat never fails', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(ROW4, ROW6, '1 (a) S 1 1 1 0'),
      fc.nat(),
      (noise, real, cut) => {
        parseTcpTable(noise);
        parseTcpTable(real.slice(0, cut % real.length) + noise);
        parseStat(noise);
        parseStat(real.slice(0, cut % real.length) + noise);
      },
    ),
  );
});

test('the name of a process cannot forge its parent', () => {
  assert.deepEqual(parseStat('42 (sh) S 7 42 42 34816 42 4194304'), { name: 'sh', parent: 7, terminal: 34_816 });
  assert.deepEqual(parseStat('42 (x) S 1 1 1 0 ) S 7 42 42 34816 42'), {
    name: 'x) S 1 1 1 0 ',
    parent: 7,
    terminal: 34_816,
  });
  assert.deepEqual(parseStat('42 (a\n(b))) R 9 42 42 0 -1'), { name: 'a\n(b))', parent: 9, terminal: 0 });
  assert.equal(parseStat('42 (sh S 7'), undefined);
  assert.equal(parseStat('42 (sh) S'), undefined);
});

test('terminals are told apart by their device number', () => {
  const table: readonly (readonly [number, number, string])[] = [
    [4, 1, 'console'],
    [4, 63, 'console'],
    [4, 64, 'console'],
    [5, 1, 'console'],
    [5, 0, 'pts'],
    [136, 0, 'pts'],
    [136, 300, 'pts'],
    [143, 255, 'pts'],
    [188, 0, 'console'],
    [204, 64, 'console'],
    [229, 0, 'console'],
    [250, 3, 'pts'],
  ];
  for (const [major, minor, expected] of table) {
    const device = ((minor & 0xfff00) << 12) | (major << 8) | (minor & 0xff);
    assert.equal(terminalKind(device), expected, `${major}:${minor}`);
  }
  assert.equal(terminalKind(0), 'none');
});

interface FakeProcess {
  readonly name?: string;
  readonly parent: number;
  readonly tty?: number;
  readonly sockets?: readonly number[];
  readonly tables?: { readonly tcp?: string; readonly tcp6?: string };
}

function fakeProc(processes: Readonly<Record<number, FakeProcess>>): Place {
  const place = makePlace();
  for (const [pid, it] of Object.entries(processes)) {
    place.write(`${pid}/stat`, `${pid} (${it.name ?? 'sh'}) S ${it.parent} 1 1 ${it.tty ?? 0} -1 0`);
    if (it.sockets !== undefined) {
      mkdirSync(place.path(`${pid}/fd`));
      symlinkSync('/dev/null', place.path(`${pid}/fd/0`));
      it.sockets.forEach((inode, i) => {
        symlinkSync(`socket:[${inode}]`, place.path(`${pid}/fd/${i + 3}`));
      });
    }
    for (const [name, text] of Object.entries(it.tables ?? {})) place.write(`${pid}/net/${name}`, text);
  }
  return place;
}

const PTS = 136 << 8;

test('the connections of every ancestor are found, each in its own network namespace', () => {
  using place = fakeProc({
    50: { parent: 40, tty: PTS, sockets: [] },
    40: { parent: 30, name: 'sshd', tty: 0, sockets: [24_681, 5], tables: { tcp: HEAD + ROW4 } },
    30: { parent: 1, name: 'sshd', sockets: [24_681, 11_111], tables: { tcp: HEAD + LISTEN4 + ROW4 } },
    1: { parent: 0, name: 'systemd', sockets: [13_579], tables: { tcp: HEAD, tcp6: HEAD + ROW6 } },
  });
  const { terminal, complete, ancestors } = gatherEvidence(50, place.directory);
  assert.deepEqual([terminal, complete], ['pts', true]);
  assert.deepEqual(
    ancestors.map(({ pid, connections }) => [pid, connections.map((c) => `${c.remoteAddress} ${c.remotePort}`)]),
    [
      [50, []],
      [40, ['198.51.100.7 50000']],
      [30, ['198.51.100.7 50000']],
      [1, ['2001:db8::7 50002']],
    ],
  );
});

test('what cannot be read makes the evidence incomplete, and a circle ends', () => {
  using hidden = fakeProc({ 50: { parent: 40, sockets: [] }, 40: { parent: 1 }, 1: { parent: 0, sockets: [] } });
  const unreadable = gatherEvidence(50, hidden.directory);
  assert.deepEqual([unreadable.complete, unreadable.ancestors.length], [false, 3]);
  using gone = fakeProc({ 50: { parent: 40, sockets: [] } });
  assert.equal(gatherEvidence(50, gone.directory).complete, false);
  using circle = fakeProc({ 50: { parent: 40, sockets: [] }, 40: { parent: 50, sockets: [] } });
  const round = gatherEvidence(50, circle.directory);
  assert.deepEqual([round.complete, round.ancestors.length], [false, 2]);
  assert.equal(gatherEvidence(50, '/nowhere').complete, false);
});

test('a real grandchild finds the connection that its grandparent holds', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1');
  const [held] = (await once(server, 'connection')) as [Socket];
  try {
    const module = fileURLToPath(new URL('ancestry.ts', import.meta.url));
    const code = `const { gatherEvidence } = await import(${JSON.stringify(module)}); console.log(JSON.stringify(gatherEvidence()));`;
    const node = [process.execPath, '--conditions=source', '--input-type=module', '-e', code];
    // A shell stands in between.
    const child = spawn('/bin/sh', ['-c', '"$@"; exit 0', 'sh', ...node], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(child, 'close');
    const { complete, ancestors } = JSON.parse(Buffer.concat(chunks).toString()) as AncestryEvidence;
    const self = ancestors.find((ancestor) => ancestor.pid === process.pid);
    assert.ok(self?.connections.some((c) => c.localPort === port && c.remotePort === held.remotePort));
    assert.ok(ancestors.length >= 3);
    assert.equal(ancestors.at(-1)?.pid === 1 || !complete, true);
    assert.ok(readConnections([port]).some((c) => c.remotePort === held.remotePort && c.remoteAddress === '127.0.0.1'));
    assert.deepEqual(readConnections([]), []);
  } finally {
    client.destroy();
    held.destroy();
    server.close();
  }
});
