import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { formatAddress, parseAddress } from '@postern/protocol';
import { decodeFwknopHttp } from '@postern/protocol/fwknop';
import { EXIT, PersonError } from '@postern/terminal';
import { parseFwknopLine } from './command-line.ts';
import { addressIn } from './resolve-ip.ts';
import { destinationOf, hostOf, sendPacket } from './send.ts';
import { layered } from './variables.ts';
import { type FwknopWay, fwknopWay } from './way.ts';

const PACKET = Buffer.from('ab+/'.repeat(40), 'latin1');
const way = (...argv: string[]): FwknopWay => fwknopWay(layered(parseFwknopLine(argv).assignments), () => 0);

async function send(...argv: string[]): Promise<void> {
  const made = way(...argv);
  await sendPacket(PACKET, made, await destinationOf(made, hostOf(made)));
}

test('udp is one datagram, from the port that was asked for', async () => {
  for (const [type, host] of [
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const) {
    const server = createSocket(type).bind(0, host);
    await once(server, 'listening');
    const heard = once(server, 'message');
    const spare = createSocket(type).bind(0, host);
    await once(spare, 'listening');
    const from = spare.address().port;
    spare.close();
    await send('-D', host, '-p', String(server.address().port), '-S', String(from));
    const [message, remote] = (await heard) as [Buffer, { port: number }];
    server.close();
    assert.ok(message.equals(PACKET));
    assert.equal(remote.port, from);
  }
});

async function overTcp(...argv: string[]): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? String(address.port) : '';
  const chunks: Buffer[] = [];
  const ended = new Promise<void>((resolve) => {
    server.once('connection', (socket) => {
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('close', resolve);
    });
  });
  await send(...argv.map((word) => word.replace('PORT', port)));
  await ended;
  server.close();
  return Buffer.concat(chunks);
}

test('tcp is the packet and nothing else, http a request with it in its path', async () => {
  assert.ok((await overTcp('-D', '127.0.0.1', '-p', 'PORT', '-P', 'tcp')).equals(PACKET));
  const request = await overTcp('-D', '127.0.0.1', '-p', 'PORT', '-P', 'http');
  assert.ok(Buffer.from(decodeFwknopHttp(request) ?? []).equals(PACKET));
  assert.match(request.toString(), /^GET \/[\w-]+ HTTP\/1\.1\r\nUser-Agent: Fwknop\/[\d.]+\r\n/);
  const proxied = await overTcp('-D', 'gate.example.com', '-H', '127.0.0.1:PORT', '-u', 'Other/1');
  assert.match(proxied.toString(), /^GET http:\/\/gate\.example\.com\/[\w-]+ HTTP\/1\.1\r\nUser-Agent: Other\/1\r\n/);
});

test('a server that takes no connection is said, with what would', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  server.close();
  await once(server, 'close');
  await assert.rejects(send('-D', '127.0.0.1', '-p', String(address.port), '-P', 'tcp'), (error: unknown) => {
    assert.ok(error instanceof PersonError);
    assert.match(error.message, /could not leave: ECONNREFUSED/);
    assert.match(error.hint ?? '', /something has to take connections/);
    return error.exitCode === EXIT.silent;
  });
});

test('an address is found in what a page says', () => {
  const found = (text: string, family: 4 | 6): string | undefined => {
    const address = addressIn(text, family);
    return address === undefined ? undefined : formatAddress(address);
  };
  assert.equal(found('192.0.2.7\n', 4), '192.0.2.7');
  assert.equal(found('<b>Your address: 192.0.2.7</b> 10.0.0.1', 4), '192.0.2.7');
  assert.equal(found('999.1.1.1 then 192.0.2.7', 4), '192.0.2.7');
  assert.equal(found('ip: 2001:db8::7', 6), '2001:db8::7');
  assert.equal(found('2001:db8::7', 4), undefined);
  assert.equal(found('nothing: at all', 6), undefined);
  assert.ok(parseAddress('192.0.2.7') !== undefined);
});
