import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { namespacesAvailable } from '@postern/testkit/namespace';
import { temporaryDirectory } from '@postern/testkit/temporary';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

test('undo does without a daemon that runs and does not answer', { skip, timeout: 60_000 }, async () => {
  const directory = temporaryDirectory('postern-undo-');
  const [socket, config] = [join(directory, 'posternd.sock'), join(directory, 'posternd.toml')];
  writeFileSync(config, `[gate]\nsocket = ${JSON.stringify(socket)}\n`);
  using daemon = Object.assign(createServer(), {
    [Symbol.dispose]: () => void daemon.close(),
  });
  daemon.on('connection', (connection) => connection.once('data', () => connection.end()));
  daemon.listen(socket);
  await once(daemon, 'listening');
  const command = [process.execPath, '--conditions=source', join(import.meta.dirname, 'main.ts')];
  const child = spawn('unshare', ['--net', ...command, 'undo', '--json', '--config', config]);
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const value = JSON.parse(out === '' ? assert.fail(error) : out) as { running: boolean; byHand: string[] };
  assert.equal(value.running, false);
  assert.match(value.byHand.at(-1) ?? '', /ended the connection without an answer: restart it/);
});
