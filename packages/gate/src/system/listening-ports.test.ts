import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { parsePorts, readEphemeralPorts, readListeningPorts, type Ports } from './listening-ports.ts';

const holds = (ports: Ports, protocol: 'tcp' | 'udp', port: number): boolean =>
  ports[protocol].some(({ first, last }) => port >= first && port <= last);

test('sockets that listen are found, those of loopback alone and connections are not', () => {
  const line = (n: number, local: string, state: string): string =>
    `   ${String(n)}: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0`;
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    line(0, '00000000:0016', '0A'),
    line(1, '0100007F:1538', '0A'),
    line(2, '00000000000000000000000001000000:0050', '0A'),
    line(3, '00000000000000000000000000000000:01BB', '0A'),
    line(4, '0000000000000000FFFF00000100007F:0051', '0A'),
    line(5, '0202000A:0035', '07'),
    line(6, '00000000:0BAD', '0A'),
    'nonsense',
  ].join('\n');
  assert.deepEqual(parsePorts(text, true), new Set([22, 443]));
  assert.deepEqual(parsePorts(text, false), new Set([22, 443, 53, 0xbad]));
  assert.deepEqual(parsePorts('', true), new Set());
});

test("this host's own sockets are found as long as they are there", async () => {
  const server = createServer().listen(0, '0.0.0.0');
  const hidden = createServer().listen(0, '127.0.0.1');
  const socket = createSocket('udp4').bind(0);
  await Promise.all([once(server, 'listening'), once(hidden, 'listening'), once(socket, 'listening')]);
  const ports = [server, hidden].map((it) => (it.address() as AddressInfo).port);
  const [open = 0, inside = 0] = ports;
  const udp = socket.address().port;
  const before = readListeningPorts();
  assert.deepEqual(
    [holds(before, 'tcp', open), holds(before, 'tcp', inside), holds(before, 'udp', udp)],
    [true, false, true],
  );
  server.close();
  hidden.close();
  socket.close();
  await once(server, 'close');
  assert.equal(holds(readListeningPorts(), 'tcp', open), false);
  const { first, last } = readEphemeralPorts();
  assert.ok(first > 1023 && last > first && last <= 0xffff);
});
