import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { encodeInvite, type UnixMicros } from '@postern/protocol';
import { readPaste } from './read-invite.ts';

const INVITE = encodeInvite({
  ...{
    name: 'gate',
    seed: new Uint8Array(32),
    gateKey: new Uint8Array(32),
    x25519: new Uint8Array(32),
    xwing: undefined,
  },
  ...{
    stateId: new Uint8Array(8),
    addresses: ['192.0.2.1'],
    port: 1,
    expires: 1 as UnixMicros,
    pq: 'off',
    services: [],
  },
});

async function paste(...chunks: string[]): Promise<string> {
  const terminal = new EventEmitter();
  const pasted = readPaste(terminal);
  pasted.catch(() => undefined);
  for (const chunk of chunks) {
    terminal.emit('data', chunk);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return pasted;
}

test('an invite that is pasted in pieces, with line ends of any kind within, is read as a whole', async () => {
  const text = await paste(
    INVITE.slice(0, 100),
    `${INVITE.slice(100, 150)}\r\n`,
    `${INVITE.slice(150, 200)}\r`,
    `${INVITE.slice(200)}\r`,
  );
  assert.equal(text.replaceAll(/\s/g, ''), INVITE);
});

test('a slip is taken back, Ctrl-D and an empty line end, Ctrl-C gives up', async () => {
  assert.equal(await paste('abd', '\x7f', 'c\r'), 'abc\r');
  assert.equal(await paste('abc\x04'), 'abc');
  assert.equal(await paste('\r'), '\r');
  await assert.rejects(paste('abc', '\x03'), /given up/);
});
