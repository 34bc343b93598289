import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test, type TestContext } from 'node:test';
import { PersonError } from '@postern/terminal';
import { ask } from '../admin/client.ts';
import { MAX_LINE, type AdminHandlers } from '../admin/protocol.ts';
import { AdminServer, refuseSecond } from './admin-server.ts';

/** Handlers of which a test needs some. */
function handlers(some: Partial<Record<keyof AdminHandlers, unknown>>): AdminHandlers {
  return some as unknown as AdminHandlers;
}

function place(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-admin-'));
  context.after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return join(directory, 'run', 'posternd.sock');
}

async function serve(context: TestContext, some: Partial<Record<keyof AdminHandlers, unknown>>): Promise<string> {
  const path = place(context);
  const server = await AdminServer.listen(path, handlers(some));
  context.after(() => server[Symbol.asyncDispose]());
  return path;
}

/** Writes bytes and returns everything that comes until the end. */
async function say(path: string, text: string): Promise<string> {
  const socket = connect(path);
  let heard = '';
  socket.on('data', (piece: Buffer) => (heard += piece.toString()));
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  return heard;
}

function failure(line: string): { message: string; hint?: string; exitCode: number } {
  const reply = JSON.parse(line) as { ok: boolean; error: { message: string; hint?: string; exitCode: number } };
  assert.equal(reply.ok, false);
  return reply.error;
}

test('only root reaches the socket: its directory is 0700 and it is 0600, whatever the umask', async (context) => {
  const umask = process.umask(0);
  context.after(() => process.umask(umask));
  const path = await serve(context, {});
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
});

test('a command gets its arguments, tells how it goes, and gives its value', async (context) => {
  const path = await serve(context, {
    'grant.end': ({ id }: { id: string }, progress: (text: string) => void) => {
      progress('looking');
      return Promise.resolve({ id: id.repeat(2) });
    },
  });
  const told: string[] = [];
  assert.deepEqual(await ask(path, 'grant.end', { id: 'abcdef' }, (text) => told.push(text)), { id: 'abcdefabcdef' });
  assert.deepEqual(told, ['looking']);
});

test('a request may come in pieces, and only the first line counts', async (context) => {
  let asked = 0;
  const path = await serve(context, { status: () => ++asked });
  const socket = connect(path);
  let heard = '';
  socket.on('data', (piece: Buffer) => (heard += piece.toString()));
  for (const piece of ['{"comm', 'and":"sta', 'tus"}\n{"command":"status"}\n', '{"command":"status"}\n']) {
    socket.write(piece);
    await new Promise((done) => setImmediate(done));
  }
  await once(socket, 'close');
  assert.equal(heard, '{"ok":true,"value":1}\n');
  assert.equal(asked, 1);
});

test('a line that is no request, or names no command, is answered and changes nothing', async (context) => {
  const path = await serve(context, { status: () => assert.fail('called') });
  for (const [line, message] of [
    ['', /not JSON/],
    ['{"command":', /not JSON/],
    ['[]', /is not \{/],
    ['{"command":"statsu"}', /no command "statsu"/],
    ['{"command":"__proto__"}', /no command "__proto__"/],
    ['{"command":"status","arguments":{"a":1}}', /^status: /],
    ['{"command":"\\u001b[2J\\n"}', /no command "\\u001b\[2J\\n"/],
  ] as const) {
    const error = failure(await say(path, `${line}\n`));
    assert.match(error.message, message);
    assert.equal(error.exitCode, 2);
  }
});

test('what a person did wrong is told as it is: message, hint and exit code', async (context) => {
  const path = await serve(context, {
    invite: () => {
      throw new PersonError('there is no user "bob"', { hint: 'did you mean bobby?', exitCode: 5 });
    },
  });
  await assert.rejects(ask(path, 'invite', { name: 'bob' }), (error) => {
    assert.ok(error instanceof PersonError);
    assert.deepEqual([error.message, error.hint, error.exitCode], ['there is no user "bob"', 'did you mean bobby?', 5]);
    return true;
  });
});

test('a bug of ours is told as one, whole, and the next command is served', async (context) => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const path = await serve(context, {
    status: () => {
      throw new TypeError('cannot read properties of undefined');
    },
    'user.list': () => Promise.reject(new RangeError('out of range')),
    'device.list': () => circular,
    'grant.list': () => ({ count: 10n }),
    reload: () => ({ services: 1 }),
  });
  const expected = [
    ['status', 'internal error: cannot read properties of undefined'],
    ['user.list', 'internal error: out of range'],
    ['device.list', /^internal error: Converting circular structure to JSON/],
    ['grant.list', /^internal error: Do not know how to serialize a BigInt/],
  ] as const;
  for (const [command, message] of expected) {
    const error = failure(await say(path, `{"command":"${command}"}\n`));
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    assert.deepEqual([error.hint, error.exitCode], ['this is a bug in posternd', 1]);
  }
  assert.deepEqual(await ask(path, 'reload', {}), { services: 1 });
});

test('a line that is too long ends the connection, without being held', async (context) => {
  const path = await serve(context, { status: () => 1 });
  assert.equal(await say(path, 'x'.repeat(MAX_LINE + 1)), '');
  assert.equal(await say(path, '{"command":"status"}\n'), '{"ok":true,"value":1}\n');
});

test('who does not finish a line in ten seconds is cut off, however slowly it is written; who waits for an answer is not', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const answer = Promise.withResolvers<number>();
  const begun = Promise.withResolvers<undefined>();
  const path = await serve(context, {
    status: () => {
      begun.resolve(undefined);
      return answer.promise;
    },
  });
  const slow = connect(path);
  const waiting = connect(path);
  const closed = once(slow, 'close');
  await Promise.all([once(slow, 'connect'), once(waiting, 'connect')]);
  waiting.write('{"command":"status"}\n');
  await begun.promise;
  for (let second = 0; second < 10; second++) {
    assert.ok(!slow.destroyed);
    slow.write('{');
    await new Promise((done) => setImmediate(() => setImmediate(done)));
    context.mock.timers.tick(1000);
  }
  await closed;
  context.mock.timers.tick(100_000);
  answer.resolve(7);
  const [piece] = (await once(waiting, 'data')) as [Buffer];
  assert.equal(piece.toString(), '{"ok":true,"value":7}\n');
});

test('a command that goes away while it is answered harms nobody', async (context) => {
  const answer = Promise.withResolvers<number>();
  const begun = Promise.withResolvers<undefined>();
  const path = await serve(context, {
    status: () => {
      begun.resolve(undefined);
      return answer.promise;
    },
    reload: () => ({ services: 1 }),
  });
  const gone = connect(path);
  gone.write('{"command":"status"}\n');
  await begun.promise;
  gone.destroy();
  await once(gone, 'close');
  answer.resolve(7);
  assert.deepEqual(await ask(path, 'reload', {}), { services: 1 });
});

test('a second daemon is refused before it touches anything; the socket of one that died is not in the way', async (context) => {
  const path = await serve(context, { status: () => 1 });
  await assert.rejects(refuseSecond(path), /another posternd answers on /);
  assert.equal(await say(path, '{"command":"status"}\n'), '{"ok":true,"value":1}\n');

  const other = place(context);
  await refuseSecond(other);
  const dead = join(other, '../../dead.sock');
  const script = `require('net').createServer().listen(${JSON.stringify(dead)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script]), 'exit');
  assert.ok(existsSync(dead));
  await refuseSecond(dead);
  await using second = await AdminServer.listen(dead, handlers({ status: () => 2 }));
  assert.equal(await say(second.path, '{"command":"status"}\n'), '{"ok":true,"value":2}\n');
});

test('a path that is no socket is refused and left as it is', async (context) => {
  const path = place(context);
  const file = join(path, '../../posternd.toml');
  writeFileSync(file, '[gate]\n');
  const refused = { message: `${file} is there and is no socket` };
  await assert.rejects(refuseSecond(file), refused);
  await assert.rejects(AdminServer.listen(file, handlers({})), refused);
  assert.equal(readFileSync(file, 'utf8'), '[gate]\n');
});

test('a socket that cannot be made is an error for a person', async (context) => {
  const path = place(context);
  const long = join(path, '..', 'x'.repeat(200));
  await assert.rejects(AdminServer.listen(long, handlers({})), (error) => {
    assert.ok(error instanceof PersonError);
    assert.match(error.message, /^cannot listen on /);
    return true;
  });
});

test('when it ends, connections end and the socket is gone', async (context) => {
  const path = place(context);
  const server = await AdminServer.listen(path, handlers({}));
  const open = connect(path);
  await once(open, 'connect');
  const closed = once(open, 'close');
  await server[Symbol.asyncDispose]();
  await closed;
  assert.ok(!existsSync(path));
});
