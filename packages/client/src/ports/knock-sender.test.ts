import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { parseAddress } from '@postern/protocol';
import { checkPort } from './check-port.ts';
import { systemSender } from './knock-sender.ts';

for (const [host, type] of [
  ['127.0.0.1', 'udp4'],
  ['::1', 'udp6'],
] as const) {
  const address = parseAddress(host) ?? assert.fail(host);

  test(
    `one datagram of one byte, and one connection that is given up, reach ${host}`,
    { timeout: 30_000 },
    async () => {
      const [udp, tcp] = [createSocket(type), createServer()];
      udp.bind(0, host);
      tcp.listen(0, host);
      await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
      const { port } = tcp.address() as AddressInfo;
      const datagram = once(udp, 'message');
      const connection = once(tcp, 'connection');
      using sender = systemSender(address);
      await sender.send('udp', udp.address().port);
      await sender.send('tcp', port);
      assert.equal(((await datagram) as [Buffer])[0].length, 1);
      const [socket] = (await connection) as [NodeJS.ReadWriteStream];
      socket.on('error', () => undefined).resume();
      await once(socket, 'close');
      assert.equal(await checkPort(address, port, 2_000), 'open');
      udp.close();
      tcp.close();
      await once(tcp, 'close');
      await sender.send('tcp', port);
      assert.equal(await checkPort(address, port, 100), 'refused');
      assert.deepEqual([...sender.troubles], []);
    },
  );
}

test('what the system keeps back is counted by its reason', async () => {
  using sender = systemSender(parseAddress('255.255.255.255') ?? assert.fail());
  for (let i = 0; i < 3; i++) await sender.send('udp', 7);
  await sender.send('tcp', 7);
  const counts = [...sender.troubles.values()];
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    4,
  );
});
